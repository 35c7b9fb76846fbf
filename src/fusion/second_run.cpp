// A second run beside what the manifest lists.
#include "fusion/second_run.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/fusion/fuse_report.hpp"
#include "contourfuse/fusion/manifest.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

class SecondRun {
 public:
  SecondRun(const FusePlan& plan, const ManifestFacts& facts, VerifyReport& report)
      : plan_(plan), facts_(facts), report_(report) {}

  void compare(const Json& manifest, const FuseReport& again) {
    compare_matrices(again.results);
    compare_shards(again.results);
    compare_records(manifest, fuse_document(plan_, again));
  }

 private:
  void problem(std::string file, std::string tensor, std::string message) {
    report_.problems.push_back({std::move(file), std::move(tensor), std::move(message)});
  }

  void compare_matrices(const FuseResults& again) {
    std::map<std::string, std::string> not_seen = facts_.edited;
    for (std::size_t i = 0; i < plan_.matrices.size(); ++i) {
      compare_matrix(plan_.matrices[i], again.matrices.at(i));
      not_seen.erase(plan_.matrices[i].view.tensor);
    }
    for (const auto& [tensor, hash] : not_seen) {
      problem(kManifestName, tensor, "is listed as edited, but the run again does not edit it");
    }
  }

  void compare_matrix(const PlannedMatrix& matrix, const MatrixResult& result) {
    const std::string& tensor = matrix.view.tensor;
    const auto delta = facts_.delta_tensors.find(tensor);
    if (delta != facts_.delta_tensors.end() && !result.delta_hash.empty() &&
        delta->second != result.delta_hash) {
      problem(matrix.delta_place, tensor, "the delta is not the one that was fused");
    }
    const auto edited = facts_.edited.find(tensor);
    const std::string& shard = plan_.base.shards.at(matrix.shard).file;
    if (edited == facts_.edited.end()) {
      if (result.counts.changed != 0) {
        problem(shard, tensor, "is not listed as edited, but the run again edits it");
      }
    } else if (result.counts.changed == 0) {
      problem(shard, tensor, "is listed as edited, but the run again leaves it as it is");
    } else if (edited->second != result.weight_hash) {
      problem(shard, tensor, "the run again gives other bytes");
    }
  }

  void compare_shards(const FuseResults& again) {
    for (std::size_t i = 0; i < plan_.base.shards.size(); ++i) {
      const std::string& name = plan_.base.shards[i].file;
      const auto listed = facts_.shards.find(name);
      if (listed == facts_.shards.end()) {
        problem(name, {}, "the run again writes this shard, it is not listed");
      } else if (listed->second.hash != again.shards.at(i).target_hash) {
        problem(name, {}, "the run again gives a shard of another hash");
      }
    }
  }

  void compare_records(const Json& manifest, const nlohmann::ordered_json& document) {
    const Json now = Json::parse(
        document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    std::map<std::string, const Json*> listed;
    if (const auto matrices = manifest.find("matrices");
        matrices != manifest.end() && matrices->is_array()) {
      for (const Json& record : *matrices) {
        if (record.is_object() && record.contains("name") && record["name"].is_string()) {
          listed.emplace(record["name"].get<std::string>(), &record);
        }
      }
    }
    for (const Json& record : now.at("matrices")) {
      const auto name = record.at("name").get<std::string>();
      const auto found = listed.find(name);
      if (found == listed.end()) {
        problem(kManifestName, name, "the manifest has no record of this matrix");
      } else if (*found->second != record) {
        problem(kManifestName, name, "the run again gives another record");
      }
    }
    for (const char* key : {"parameters", "architecture", "selected_layers", "totals"}) {
      if (manifest.value(key, Json()) != now.value(key, Json())) {
        problem(kManifestName, {}, fmt::format("the run again gives another \"{}\"", key));
      }
    }
  }

  const FusePlan& plan_;
  const ManifestFacts& facts_;
  VerifyReport& report_;
};

}  // namespace

void compare_with_second_run(const FusePlan& plan, const ManifestFacts& facts, const Json& manifest,
                             Backend& backend, const Execution& execution, VerifyReport& report) {
  FuseReport again;
  again.results = recompute(plan, backend, execution);
  SecondRun(plan, facts, report).compare(manifest, again);
  report.bytes += again.results.bytes_read;
  report.tensors += plan.matrices.size();
  report.checks.push_back(fmt::format(
      "{} edited matrices and their records again from base and delta", plan.matrices.size()));
}

}  // namespace contourfuse
