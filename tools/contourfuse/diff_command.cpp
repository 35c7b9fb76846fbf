// contourfuse diff
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/fusion/diff.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

/// Rows of the table without --all; the document always has every one.
constexpr std::size_t kRowLimit = 60;

struct DiffRequest {
  std::string a{};
  std::string b{};
  bool all = false;
};

std::string_view difference_name(TensorDifference difference) {
  switch (difference) {
    case TensorDifference::kSame:
      return "same";
    case TensorDifference::kChanged:
      return "changed";
    case TensorDifference::kOnlyInA:
      return "only-in-a";
    case TensorDifference::kOnlyInB:
      return "only-in-b";
    case TensorDifference::kReshaped:
      return "reshaped";
  }
  return "";
}

nlohmann::ordered_json number_or_null(const std::optional<double>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json tensor_document(const TensorDiff& tensor) {
  const bool in_a = tensor.difference != TensorDifference::kOnlyInB;
  const bool in_b = tensor.difference != TensorDifference::kOnlyInA;
  const nlohmann::ordered_json null(nullptr);
  nlohmann::ordered_json document;
  document["name"] = tensor.name;
  document["difference"] = difference_name(tensor.difference);
  document["dtype_a"] = in_a ? nlohmann::ordered_json(dtype_name(tensor.dtype_a)) : null;
  document["dtype_b"] = in_b ? nlohmann::ordered_json(dtype_name(tensor.dtype_b)) : null;
  document["shape_a"] = in_a ? nlohmann::ordered_json(tensor.shape_a) : null;
  document["shape_b"] = in_b ? nlohmann::ordered_json(tensor.shape_b) : null;
  document["elements"] = tensor.elements;
  document["changed"] = tensor.changed;
  document["drift"] = number_or_null(tensor.drift);
  document["cosine"] = number_or_null(tensor.cosine);
  document["max_change"] = number_or_null(tensor.max_change);
  return document;
}

nlohmann::ordered_json diff_document(const DiffRequest& request, const DiffReport& report) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.diff/1";
  document["a"] = request.a;
  document["b"] = request.b;
  document["same"] = report.same;
  document["changed"] = report.changed;
  document["only_in_a"] = report.only_in_a;
  document["only_in_b"] = report.only_in_b;
  document["reshaped"] = report.reshaped;
  document["bytes"] = report.bytes;
  document["tensors"] = nlohmann::ordered_json::array();
  for (const TensorDiff& tensor : report.tensors) {
    document["tensors"].push_back(tensor_document(tensor));
  }
  document["seconds"] = report.seconds;
  return document;
}

std::string type_and_shape(DType dtype, const Shape& shape) {
  return std::string(dtype_name(dtype)) + ' ' + to_string(shape);
}

std::vector<std::string> cells(const TensorDiff& tensor) {
  const auto number = [](const std::optional<double>& value) {
    return value ? format_number(*value) : std::string(kNoValue);
  };
  const std::string a = type_and_shape(tensor.dtype_a, tensor.shape_a);
  const std::string b = type_and_shape(tensor.dtype_b, tensor.shape_b);
  std::string what = a;
  if (tensor.difference == TensorDifference::kOnlyInB) what = b;
  if (tensor.difference == TensorDifference::kReshaped) what = a + " → " + b;
  const std::string changed = tensor.elements == 0
                                  ? kNoValue
                                  : format_percent(static_cast<double>(tensor.changed) /
                                                   static_cast<double>(tensor.elements));
  return {visible(tensor.name),
          std::string(difference_name(tensor.difference)),
          what,
          changed,
          number(tensor.drift),
          tensor.cosine ? fmt::format("{:.6f}", *tensor.cosine) : kNoValue,
          number(tensor.max_change)};
}

void print_diff(const DiffRequest& request, const DiffReport& report) {
  Table table({{"tensor", Align::kLeft},
               {"", Align::kLeft},
               {"type and shape", Align::kLeft},
               {"changed"},
               {"drift"},
               {"cosine"},
               {"max change"}});
  const std::size_t rows =
      request.all ? report.tensors.size() : std::min(report.tensors.size(), kRowLimit);
  for (std::size_t i = 0; i < rows; ++i) table.add_row(cells(report.tensors[i]));
  if (rows > 0) print_text(table.text());
  if (rows < report.tensors.size()) {
    print_text(
        fmt::format("… and {} more (--all shows every tensor)\n", report.tensors.size() - rows));
  }
  if (rows > 0) print_text("\n");
  std::string summary = fmt::format("{} changed, {} the same", format_count(report.changed),
                                    format_count(report.same));
  const auto add = [&summary](std::uint64_t count, std::string_view what) {
    if (count > 0) summary += fmt::format(", {} {}", format_count(count), what);
  };
  add(report.only_in_a, "only in A");
  add(report.only_in_b, "only in B");
  add(report.reshaped, "of another shape or type");
  print_text(fmt::format("{}; {} compared in {}\n", summary, format_bytes(report.bytes),
                         format_duration(report.seconds)));
}

}  // namespace

void add_diff_command(CLI::App& app, Session& session) {
  CLI::App* command =
      add_command(app, session, "diff", "What differs between two checkpoints, tensor by tensor",
                  {"diff base fused", "diff base fused --all --json"});
  const auto request = std::make_shared<DiffRequest>();
  command->add_option("A", request->a, "A checkpoint, hub id or safetensors file")->required();
  command->add_option("B", request->b, "Another one")->required();
  command->add_flag("--all", request->all, "List the tensors that are the same, too");
  add_limit_flag(*command, session);

  command->callback([&session, request] {
    session.action = [&session, request](const Execution& execution) {
      const DiffReport report = diff_checkpoints(request->a, request->b, request->all, execution);
      if (session.flags.json) {
        print_document(diff_document(*request, report));
      } else if (!session.flags.quiet) {
        print_diff(*request, report);
      }
      return 0;
    };
  });
}

}  // namespace contourfuse
