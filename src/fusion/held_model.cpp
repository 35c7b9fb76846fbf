// Opening and locking a model's shards, and which are not to be changed.
#include "fusion/held_model.hpp"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/model_card.hpp"
#include "contourfuse/io/partial_file.hpp"
#include "contourfuse/model/hub_cache.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse(const char* kind, std::string message, const fs::path& shard) {
  throw Error(Failure::kBadInput, kind, std::move(message), {.file = shard.string()},
              "fuse a copy of the model, or add --force to change this one for all who use it");
}

}  // namespace

HeldModel::HeldModel(fs::path folder, const std::vector<std::string>& shards,
                     const std::vector<bool>& changing)
    : folder_(std::move(folder)), changing_(changing) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    // The first one always: some networks lock only what may be written.
    shards_.push_back(changing_[i] || i == 0 ? File::open_to_change(folder_ / shards[i]) : File());
  }
  if (!shards_.front().try_lock()) {
    throw Error(Failure::kFailed, "model-in-use", "another run is changing this model",
                {.file = folder_.string()}, "wait until it has ended");
  }
}

void HeldModel::remove_strays() const {
  for (const char* name : {kModelCardName, kManifestName, kUnfinishedName}) {
    remove_stray_partials(folder_ / name);
  }
}

void HeldModel::sync() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (changing_[i]) shards_[i].sync();
  }
}

void refuse_shared_shard(const fs::path& shard) {
  std::error_code failure;
  if (fs::is_symlink(fs::symlink_status(shard, failure))) {
    refuse("shard-is-a-link", "the shard is a link: the file behind it would change", shard);
  }
  if (is_in_hub_cache(shard)) {
    refuse("shard-in-hub-cache", "the shard belongs to the hub cache, which others use", shard);
  }
  const std::uintmax_t names = fs::hard_link_count(shard, failure);
  if (!failure && names > 1) {
    refuse(
        "shard-hard-linked",
        fmt::format("the file has {} names (hard links): it would change under all of them", names),
        shard);
  }
}

}  // namespace contourfuse
