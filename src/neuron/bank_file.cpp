// Bank files: one small safetensors file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "bank_rules.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/neuron/bank.hpp"

namespace contourfuse {
namespace {

constexpr std::string_view kBankSchema = "contourfuse.bank/1";
constexpr double kNoKnot = std::numeric_limits<double>::infinity();

template <typename T>
void append_bytes(std::string& payload, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  payload.append(bytes, sizeof bytes);
}

[[noreturn]] void refuse(const std::string& file, std::string message, std::string tensor = {}) {
  throw Error(Failure::kBadInput, "bad-bank", std::move(message),
              {.file = file, .tensor = std::move(tensor)});
}

// The tensors of a bank file, read whole: their shapes are bounded before anything is allocated.
class BankReader {
 public:
  explicit BankReader(const std::filesystem::path& path)
      : path_(path.string()), header_(read_safetensors_header(path)), file_(File::open(path)) {
    if (header_.tensors().size() != 6) refuse(path_, "a bank file holds six tensors");
    const std::string& schema = metadata("schema");
    if (schema != kBankSchema) {
      refuse(path_,
             fmt::format("the schema is \"{}\", not \"{}\"", schema.substr(0, 80), kBankSchema));
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  [[nodiscard]] const std::string& metadata(const char* key) const {
    const auto entry = header_.metadata().find(key);
    if (entry == header_.metadata().end()) {
      refuse(path_, fmt::format("the metadata has no \"{}\"", key));
    }
    return entry->second;
  }

  [[nodiscard]] std::vector<std::string> names(const char* key) const {
    std::vector<std::string> words;
    const nlohmann::json list = parse_json(metadata(key), path_);
    if (!list.is_array()) refuse(path_, fmt::format("\"{}\" is no array of names", key));
    for (const nlohmann::json& word : list) {
      if (!word.is_string()) refuse(path_, fmt::format("\"{}\" is no array of names", key));
      words.push_back(word.get<std::string>());
    }
    return words;
  }

  [[nodiscard]] double number(const char* key) const {
    const nlohmann::json value = parse_json(metadata(key), path_);
    if (!value.is_number() || !(value.get<double>() >= 0)) {
      refuse(path_, fmt::format("\"{}\" is no number of 0 or more", key));
    }
    return value.get<double>();
  }

  // Extent of the second dimension of a matrix.
  [[nodiscard]] std::size_t columns(const char* name, std::size_t most) const {
    const Shape& shape = tensor(name).shape;
    if (shape.size() != 2 || shape[1] > most) {
      refuse(path_, fmt::format("the shape {} does not fit a bank", to_string(shape)), name);
    }
    return shape[1];
  }

  template <typename T>
  [[nodiscard]] std::vector<T> values(const char* name, const Shape& shape) const {
    const TensorInfo& info = tensor(name);
    constexpr DType kType = sizeof(T) == 8 ? DType::kF64 : DType::kF32;
    if (info.shape != shape || info.dtype != kType) {
      refuse(path_,
             fmt::format("{} {} instead of {} {}", dtype_name(info.dtype), to_string(info.shape),
                         dtype_name(kType), to_string(shape)),
             name);
    }
    std::vector<T> values((info.end - info.begin) / sizeof(T));
    file_.read(header_.file_range(info).begin, std::as_writable_bytes(std::span(values)));
    return values;
  }

 private:
  [[nodiscard]] const TensorInfo& tensor(const char* name) const {
    const TensorInfo* info = header_.find(name);
    if (info == nullptr) refuse(path_, "the tensor is missing", name);
    return *info;
  }

  std::string path_;
  SafetensorsHeader header_;
  File file_;
};

template <typename T>
std::vector<T> row_of(const std::vector<T>& matrix, std::size_t row, std::size_t columns) {
  const auto begin = matrix.begin() + static_cast<std::ptrdiff_t>(row * columns);
  return {begin, begin + static_cast<std::ptrdiff_t>(columns)};
}

}  // namespace

NeuronBank read_bank(const std::filesystem::path& path) {
  const BankReader reader(path);
  const std::vector<std::string> names = reader.names("names");
  const std::vector<std::string> kinds = reader.names("kinds");
  const std::size_t n = names.size();
  if (n == 0 || n > kMaxSources || kinds.size() != n) {
    refuse(reader.path(), fmt::format("{} names and {} kinds", n, kinds.size()));
  }
  const std::size_t most_knots = reader.columns("knots", kMaxKnots);
  const std::size_t k = reader.columns("gains", kMaxGains);
  const auto knots = reader.values<double>("knots", {n, most_knots});
  const auto slopes = reader.values<double>("slopes", {n, most_knots + 1});
  const auto gains = reader.values<float>("gains", {n, k});
  const auto coefficients = reader.values<float>("coefficients", {n, k});
  const auto fit_error = reader.values<double>("fit_error", {n});
  const auto storage_error = reader.values<double>("storage_error", {n});

  NeuronBank bank{.activation = parse_activation_in(reader.path(), reader.metadata("activation")),
                  .derivative_weight = reader.number("lambda"),
                  .ridge = reader.number("ridge")};
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> own_knots = row_of(knots, i, most_knots);
    std::vector<double> own_slopes = row_of(slopes, i, most_knots + 1);
    const auto used = std::find(own_knots.begin(), own_knots.end(), kNoKnot);
    const auto count = static_cast<std::size_t>(used - own_knots.begin());
    const bool padded =
        std::all_of(used, own_knots.end(), [](double knot) { return knot == kNoKnot; }) &&
        std::all_of(own_slopes.begin() + static_cast<std::ptrdiff_t>(count), own_slopes.end(),
                    [&](double slope) { return slope == own_slopes[count]; });
    if (!padded) {
      refuse(reader.path(), fmt::format("source neuron {} has a gap in its knots or slopes", i));
    }
    own_knots.resize(count);
    own_slopes.resize(count + 1);
    try {
      bank.sources.push_back(
          SourceNeuron{.name = names[i],
                       .kind = parse_layer_use(kinds[i], reader.path()),
                       .function = PiecewiseLinear(std::move(own_knots), std::move(own_slopes)),
                       .gains = row_of(gains, i, k),
                       .coefficients = row_of(coefficients, i, k),
                       .fit_error = fit_error[i],
                       .storage_error = storage_error[i]});
    } catch (const Error& error) {
      if (!error.place().file.empty()) throw;
      refuse(reader.path(), fmt::format("source neuron {}: {}", i, error.message()));
    }
  }
  check_bank(bank, reader.path());
  return bank;
}

void write_bank(const NeuronBank& bank, const std::filesystem::path& path, Durability durability) {
  check_bank(bank, path.string());
  const std::size_t n = bank.sources.size();
  const std::size_t k = bank.gains_per_cell();
  std::size_t most_knots = 0;
  for (const SourceNeuron& source : bank.sources) {
    most_knots = std::max(most_knots, source.function.knots().size());
  }
  std::string knots;
  std::string slopes;
  std::string gains;
  std::string coefficients;
  std::string fit_error;
  std::string storage_error;
  nlohmann::json names = nlohmann::json::array();
  nlohmann::json kinds = nlohmann::json::array();
  for (const SourceNeuron& source : bank.sources) {
    std::vector<double> own_knots = source.function.knots();
    std::vector<double> own_slopes = source.function.slopes();
    own_knots.resize(most_knots, kNoKnot);
    own_slopes.resize(most_knots + 1, own_slopes.back());
    for (const double knot : own_knots) append_bytes(knots, knot);
    for (const double slope : own_slopes) append_bytes(slopes, slope);
    for (const float gain : source.gains) append_bytes(gains, gain);
    for (const float coefficient : source.coefficients) append_bytes(coefficients, coefficient);
    append_bytes(fit_error, source.fit_error);
    append_bytes(storage_error, source.storage_error);
    names.push_back(source.name);
    kinds.push_back(to_string(source.kind));
  }
  const TensorSpec specs[] = {
      {"knots", DType::kF64, {n, most_knots}}, {"slopes", DType::kF64, {n, most_knots + 1}},
      {"fit_error", DType::kF64, {n}},         {"storage_error", DType::kF64, {n}},
      {"gains", DType::kF32, {n, k}},          {"coefficients", DType::kF32, {n, k}},
  };
  const std::map<std::string, std::string> metadata{
      {"schema", std::string(kBankSchema)},
      {"activation", std::string(to_string(bank.activation))},
      {"names", names.dump()},
      {"kinds", kinds.dump()},
      {"lambda", nlohmann::json(bank.derivative_weight).dump()},
      {"ridge", nlohmann::json(bank.ridge).dump()},
  };
  std::string text = make_safetensors_header(specs, metadata);
  text += knots + slopes + fit_error + storage_error + gains + coefficients;
  write_text(path, text, durability == Durability::kFull);
}

}  // namespace contourfuse
