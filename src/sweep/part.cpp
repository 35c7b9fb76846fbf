// Composing, publishing and reading parts.
#include "contourfuse/sweep/part.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"
#include "contourfuse/io/publish.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kPartSchema = "contourfuse.sweep.part/1";
constexpr std::uint64_t kMaxPartBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxDigest = 64;
constexpr std::uint64_t kAnyCount = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kHashDigits = 32;
// The hash is the last field, so the text around its digits is known to the byte.
constexpr std::string_view kBeforeHash = ",\"xxh3_128\":\"";
constexpr std::string_view kAfterHash = "\"}\n";

/// One field of every point as a list.
template <class Point, class Value>
OrderedJson column(const std::vector<Point>& points, Value Point::*field) {
  OrderedJson values = OrderedJson::array();
  for (const Point& point : points) values.push_back(point.*field);
  return values;
}

OrderedJson matrix_document(const std::optional<MatrixGrid>& matrix) {
  if (!matrix) return nullptr;
  return {{"covered", matrix->covered},
          {"weight2", matrix->weight2},
          {"max_delta", matrix->max_delta},
          {"moved", column(matrix->points, &GridPoint::moved)},
          {"changed", column(matrix->points, &GridPoint::changed)},
          {"lost", column(matrix->points, &GridPoint::lost)},
          {"clamped", column(matrix->points, &GridPoint::clamped)},
          {"sign_flips", column(matrix->points, &GridPoint::sign_flips)},
          {"change2", column(matrix->points, &GridPoint::change2)},
          {"change", column(matrix->points, &GridPoint::change)}};
}

OrderedJson output_document(const std::optional<OutputGrid>& output) {
  if (!output) return nullptr;
  OrderedJson norm_base2 = nullptr;
  if (output->norm_base2) norm_base2 = *output->norm_base2;
  return {{"values", output->values},
          {"base2", output->base2},
          {"norm_base2", std::move(norm_base2)},
          {"change2", column(output->points, &OutputPoint::change2)},
          {"change", column(output->points, &OutputPoint::change)},
          {"cross", column(output->points, &OutputPoint::cross)},
          {"out2", column(output->points, &OutputPoint::out2)},
          {"norm_change2", column(output->points, &OutputPoint::norm_change2)}};
}

/// Lists of exactly as many numbers as the grid has points. No point is made before a list has
/// shown that there are as many.
template <class Point>
class Columns {
 public:
  Columns(const JsonFields& fields, std::size_t count, std::vector<Point>& points)
      : fields_(fields), count_(count), points_(points) {}

  void read(std::string_view key, double Point::*field) const {
    const std::vector<double> values = fields_.numbers(key, count_);
    make_points(key, values.size());
    for (std::size_t i = 0; i < count_; ++i) points_[i].*field = values[i];
  }

  void read(std::string_view key, std::uint64_t Point::*field) const {
    const nlohmann::json& values = fields_.array(key, count_);
    make_points(key, values.size());
    for (std::size_t i = 0; i < count_; ++i) {
      if (!values[i].is_number_unsigned()) fields_.refuse(key, "holds what is no whole number");
      points_[i].*field = values[i].get<std::uint64_t>();
    }
  }

 private:
  void make_points(std::string_view key, std::size_t listed) const {
    if (listed != count_) fields_.refuse(key, "has too few entries");
    points_.resize(count_);
  }

  const JsonFields& fields_;
  std::size_t count_;
  std::vector<Point>& points_;
};

std::optional<MatrixGrid> read_matrix(const JsonFields& layer, std::string_view key,
                                      std::size_t points) {
  if (layer.at(key).is_null()) return std::nullopt;
  const JsonFields fields = layer.object(key);
  MatrixGrid matrix;
  matrix.covered = fields.whole_number("covered", 0, kAnyCount);
  matrix.weight2 = fields.number("weight2");
  matrix.max_delta = fields.number("max_delta");
  const Columns<GridPoint> columns(fields, points, matrix.points);
  columns.read("moved", &GridPoint::moved);
  columns.read("changed", &GridPoint::changed);
  columns.read("lost", &GridPoint::lost);
  columns.read("clamped", &GridPoint::clamped);
  columns.read("sign_flips", &GridPoint::sign_flips);
  columns.read("change2", &GridPoint::change2);
  columns.read("change", &GridPoint::change);
  return matrix;
}

std::optional<OutputGrid> read_output(const JsonFields& layer, std::size_t points) {
  if (layer.at("output").is_null()) return std::nullopt;
  const JsonFields fields = layer.object("output");
  OutputGrid output;
  output.values = fields.whole_number("values", 0, kAnyCount);
  output.base2 = fields.number("base2");
  if (!fields.at("norm_base2").is_null()) output.norm_base2 = fields.number("norm_base2");
  const Columns<OutputPoint> columns(fields, points, output.points);
  columns.read("change2", &OutputPoint::change2);
  columns.read("change", &OutputPoint::change);
  columns.read("cross", &OutputPoint::cross);
  columns.read("out2", &OutputPoint::out2);
  columns.read("norm_change2", &OutputPoint::norm_change2);
  return output;
}

/// Throws unless the text ends with its own hash.
void check_hash(std::string_view text, const std::string& file) {
  const std::size_t tail = kBeforeHash.size() + kHashDigits + kAfterHash.size();
  if (text.size() > tail) {
    const std::string_view body = text.substr(0, text.size() - tail);
    const std::string expected = fmt::format("{}{}{}", kBeforeHash, hash_text(body), kAfterHash);
    if (text.substr(body.size()) == expected) return;
  }
  throw Error(Failure::kBadInput, "part-damaged", "the part is not as it was written",
              {.file = file}, "remove it; its task is then done again");
}

}  // namespace

fs::path part_path(const fs::path& run, std::size_t task) {
  return run / "parts" / fmt::format("{}.json", task);
}

std::string part_text(const SweepPlan& plan, std::size_t task,
                      const std::vector<LayerGrid>& layers) {
  OrderedJson document{{"schema", kPartSchema}, {"plan", plan_digest(plan)}, {"task", task}};
  for (const LayerGrid& layer : layers) {
    document["layers"].push_back({{"layer", layer.layer},
                                  {"kind", to_string(layer.kind)},
                                  {"gate", matrix_document(layer.gate)},
                                  {"down", matrix_document(layer.down)},
                                  {"output", output_document(layer.output)}});
  }
  std::string text = document.dump();
  text.pop_back();
  const std::string hash = hash_text(text);
  return fmt::format("{}{}{}{}", text, kBeforeHash, hash, kAfterHash);
}

std::vector<LayerGrid> parse_part(std::string_view text, const std::string& file,
                                  const SweepPlan& plan, std::size_t task) {
  check_hash(text, file);
  const nlohmann::json document = parse_json(text, file);
  const JsonFields fields(document, file, "");
  if (fields.text("schema", kMaxDigest) != kPartSchema ||
      fields.text("plan", kMaxDigest) != plan_digest(plan) ||
      fields.whole_number("task", 0, kAnyCount) != task ||
      fields.array("layers", plan.tasks[task].size()).size() != plan.tasks[task].size()) {
    throw Error(Failure::kBadInput, "part-damaged", "the part belongs to another plan or task",
                {.file = file}, "remove it; its task is then done again");
  }
  const std::size_t alphas = plan.settings.alphas.size();
  const std::size_t gammas = plan.settings.gammas.size();
  std::vector<LayerGrid> layers;
  for (std::size_t i = 0; i < plan.tasks[task].size(); ++i) {
    const JsonFields layer = fields.entry("layers", i);
    LayerGrid grid;
    grid.layer = plan.tasks[task][i];
    grid.kind = plan.fuse.base.find_layer(grid.layer)->kind;
    grid.gate = read_matrix(layer, "gate", gammas);
    grid.down = read_matrix(layer, "down", alphas);
    grid.output = read_output(layer, alphas * gammas);
    layers.push_back(std::move(grid));
  }
  return layers;
}

std::optional<std::vector<LayerGrid>> read_part(const SweepPlan& plan, const fs::path& run,
                                                std::size_t task) {
  const fs::path path = part_path(run, task);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  return parse_part(read_text(path, kMaxPartBytes), path.string(), plan, task);
}

void publish_parts(const fs::path& run, const std::map<std::size_t, std::string>& texts) {
  std::vector<NewFile> files;
  files.reserve(texts.size());
  for (const auto& [task, text] : texts) files.push_back({part_path(run, task), text});
  if (files.empty()) return;
  const fs::path folder = files.front().path.parent_path();
  make_folders(folder, true);
  const std::vector<bool> published = publish_new_files(folder, files);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const NewFile& file = files[i];
    if (published[i] || read_text(file.path, kMaxPartBytes) == file.text) continue;
    fs::path ours = file.path;
    ours += ".differs";
    write_text(ours, file.text, true);
    throw Error(
        Failure::kFailed, "part-differs",
        fmt::format("the task was done twice with different results; the second is kept in {}",
                    ours.string()),
        {.file = file.path.string()},
        "were both done with the same program on like machines? Remove both to do it again");
  }
}

}  // namespace contourfuse
