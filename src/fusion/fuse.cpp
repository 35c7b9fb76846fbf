// Running a plan: shards through a backend, side files, manifest, publish.
#include "contourfuse/fusion/fuse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/model_card.hpp"
#include "contourfuse/io/hash.hpp"
#include "plan_job.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kCopyBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMaxCardBytes = std::uint64_t{16} << 20;
constexpr const char* kModelCard = "README.md";

ListedFile copy_file(const fs::path& from, const fs::path& to, std::string name, bool durable,
                     std::vector<std::byte>& buffer, const Execution& execution) {
  fs::create_directories(to.parent_path());
  const File source = File::open(from);
  File target = File::create(to);
  const std::uint64_t bytes = source.size();
  Hash128 hash;
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes - done, buffer.size()));
    const std::span<std::byte> part(buffer.data(), piece);
    execution.pace(2 * piece);
    source.read(done, part);
    target.write(done, part);
    hash.update(part);
    done += piece;
  }
  if (durable) target.sync();
  return {std::move(name), bytes, hash.hex()};
}

ListedFile write_card(const FusePlan& plan, const fs::path& to, bool durable) {
  const fs::path base_card = plan.base.folder / kModelCard;
  std::error_code ignored;
  const std::string text = derived_model_card(
      fs::exists(base_card, ignored) ? read_text(base_card, kMaxCardBytes) : std::string(), plan);
  write_text(to, text, durable);
  Hash128 hash;
  hash.update(text);
  return {kModelCard, text.size(), hash.hex()};
}

std::vector<ListedFile> write_side_files(const FusePlan& plan, const fs::path& folder, bool durable,
                                         const Execution& execution) {
  std::vector<ListedFile> listed;
  std::vector<std::byte> buffer(kCopyBytes);
  for (const fs::path& file : plan.base.side_files) {
    execution.check_cancelled();
    if (plan.settings.model_card && file == kModelCard) continue;
    listed.push_back(copy_file(plan.base.folder / file, folder / file, file.generic_string(),
                               durable, buffer, execution));
  }
  if (plan.settings.model_card) listed.push_back(write_card(plan, folder / kModelCard, durable));
  std::sort(listed.begin(), listed.end(),
            [](const ListedFile& a, const ListedFile& b) { return a.name < b.name; });
  return listed;
}

}  // namespace

FuseReport run_fuse(const FusePlan& plan, Backend& backend, const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  const Durability durability = plan.settings.durability;
  const bool durable = durability == Durability::kFull;
  PartialFolder partial(plan.settings.output, plan.settings.overwrite, durability);
  OwnedJob owned = make_job(plan);
  std::vector<File> targets;
  targets.reserve(owned.sources.size());
  for (std::size_t i = 0; i < owned.sources.size(); ++i) {
    const Shard& shard = plan.base.shards[i];
    File& target = targets.emplace_back(File::create(partial.path() / shard.file));
    ShardJob& job = owned.job.shards[i];
    job.target = &target;
    job.copying = clone_or_choose(*job.source, target);
    if (job.copying != CopyMethod::kCloned) target.allocate(job.bytes);
  }
  FuseReport report;
  report.results = backend.run(owned.job, execution);
  check_unchanged(plan, owned.sources);
  const auto side_files = write_side_files(plan, partial.path(), durable, execution);
  if (durable) {
    for (File& target : targets) target.sync();
    partial.sync_folders();
  }
  write_text(partial.path() / kManifestName, manifest_text(make_manifest(plan, report, side_files)),
             durable);
  execution.check_cancelled();
  partial.publish();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

FuseResults recompute(const FusePlan& plan, Backend& backend, const Execution& execution) {
  OwnedJob owned = make_job(plan);
  FuseResults results = backend.run(owned.job, execution);
  check_unchanged(plan, owned.sources);
  return results;
}

}  // namespace contourfuse
