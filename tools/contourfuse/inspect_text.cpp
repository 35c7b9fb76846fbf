// One printer per kind of document.
#include "inspect_text.hpp"

#include <fmt/format.h>

#include <string>

#include "console.hpp"
#include "contourfuse/core/shape.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::ordered_json;

/// Text as it is, numbers grouped, null as a dash.
std::string cell(const Json& value) {
  if (value.is_null()) return kNoValue;
  if (value.is_string()) return visible(value.get<std::string>());
  if (value.is_number_integer()) return format_count(value.get<std::uint64_t>());
  if (value.is_number_float()) return format_number(value.get<double>());
  return visible(value.dump());
}

std::string at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? kNoValue : cell(*found);
}

std::string bytes_at(const Json& object, const char* key) {
  return format_bytes(object.at(key).get<std::uint64_t>());
}

void print_fused(const Json& fused) {
  if (fused.contains("damaged")) {
    print_text("fused: the manifest cannot be used: " + at(fused, "damaged") + '\n');
    return;
  }
  print_text("fused from " + at(fused, "model") + " and " + at(fused, "weights") + ": " +
             at(fused, "edited") + " tensors edited\n");
  std::string numbers;
  for (const auto& [name, value] : fused.at("parameters").items()) {
    numbers += (numbers.empty() ? "" : ", ") + visible(name) + ' ' + cell(value);
  }
  print_text("numbers: " + numbers + '\n');
}

void print_checkpoint(const Json& document) {
  print_text(
      fmt::format("checkpoint: family {}, activation {}, {} in {} shard{}, {} of them in "
                  "dense MLPs\n",
                  at(document, "family"), at(document, "activation"),
                  bytes_at(document, "tensor_bytes"), document.at("shards").size(),
                  document.at("shards").size() == 1 ? "" : "s", bytes_at(document, "mlp_bytes")));
  if (document.contains("fused")) print_fused(document.at("fused"));
  print_text("\n");
  Table layers({{"layer"},
                {"kind", Align::kLeft},
                {"hidden"},
                {"intermediate"},
                {"", Align::kLeft},
                {"down", Align::kLeft}});
  for (const Json& layer : document.at("layers")) {
    layers.add_row({at(layer, "layer"), at(layer, "kind"), at(layer, "hidden_size"),
                    at(layer, "intermediate_size"),
                    layer.at("double_wide").get<bool>() ? "double-wide" : "", at(layer, "down")});
  }
  print_text(layers.text() + '\n');
  Table shards({{"shard", Align::kLeft}, {"bytes"}, {"tensors"}});
  for (const Json& shard : document.at("shards")) {
    shards.add_row({at(shard, "file"), bytes_at(shard, "bytes"), at(shard, "tensors")});
  }
  print_text(shards.text());
}

void print_delta(const Json& document) {
  print_text(fmt::format(
      "delta: {}, seed {}\n\n",
      document.at("stored").get<bool>() ? "stored" : "recipe, made when it is used",
      document.at("seed").is_null() ? std::string(kNoValue) : document.at("seed").dump()));
  Table layers({{"layer"}, {"kind", Align::kLeft}, {"intermediate"}, {"cells"}, {"gains a cell"}});
  for (const Json& layer : document.at("layers")) {
    layers.add_row({at(layer, "layer"), at(layer, "kind"), at(layer, "intermediate_size"),
                    at(layer, "cells"), at(layer, "gains_per_cell")});
  }
  print_text(layers.text());
  if (!document.contains("cells")) return;
  Table cells({{"first neuron"},
               {"neurons"},
               {"source neuron", Align::kLeft},
               {"frame"},
               {"output frame"}});
  for (const Json& entry : document.at("cells")) {
    cells.add_row({at(entry, "first_neuron"), at(entry, "neurons"), at(entry, "source"),
                   at(entry, "frame"), at(entry, "output_frame")});
  }
  print_text('\n' + cells.text());
}

void print_bank(const Json& document) {
  print_text("neuron bank for " + at(document, "activation") + "\n\n");
  Table sources({{"source neuron", Align::kLeft},
                 {"layers", Align::kLeft},
                 {"knots"},
                 {"gains"},
                 {"fit error"}});
  for (const Json& source : document.at("sources")) {
    sources.add_row({at(source, "name"), at(source, "kind"),
                     std::to_string(source.at("knots").size()),
                     std::to_string(source.at("gains").size()),
                     format_percent(source.at("fit_error").get<double>())});
  }
  print_text(sources.text());
}

void print_file(const Json& document) {
  const Json& tensors = document.at("tensors");
  print_text(fmt::format("safetensors file: {} tensors\n\n", tensors.size()));
  Table table({{"tensor", Align::kLeft}, {"type", Align::kLeft}, {"shape"}, {"bytes"}});
  for (const Json& tensor : tensors) {
    table.add_row({at(tensor, "name"), at(tensor, "dtype"),
                   to_string(tensor.at("shape").get<Shape>()),
                   format_bytes(tensor.at("end").get<std::uint64_t>() -
                                tensor.at("begin").get<std::uint64_t>())});
  }
  print_text(table.text());
  for (const auto& [key, value] : document.at("metadata").items()) {
    print_text(visible(key) + ": " + cell(value) + '\n');
  }
}

}  // namespace

void print_inspection(const nlohmann::ordered_json& document) {
  const std::string kind = document.at("kind");
  if (kind == "checkpoint") print_checkpoint(document);
  if (kind == "delta") print_delta(document);
  if (kind == "bank") print_bank(document);
  if (kind == "file") print_file(document);
}

}  // namespace contourfuse
