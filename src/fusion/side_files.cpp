// Copying side files, and deriving the model card.
#include "fusion/side_files.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "contourfuse/fusion/model_card.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/hash.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kCopyBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMaxCardBytes = std::uint64_t{16} << 20;

ListedFile copy_file(const fs::path& from, const fs::path& to, std::string name, bool durable,
                     std::vector<std::byte>& buffer, const Execution& execution) {
  make_folders(to.parent_path(), false);  // the output's folders are synced together
  const File source = File::open(from);
  File target = File::create(to);
  const std::uint64_t bytes = source.size();
  Hash128 hash;
  for (std::uint64_t done = 0; done < bytes;) {
    execution.check_cancelled();
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

}  // namespace

ListedFile write_card(const FusePlan& plan, const fs::path& to, bool durable) {
  const fs::path base_card = plan.base.folder / kModelCardName;
  std::error_code ignored;
  const std::string text = derived_model_card(
      fs::exists(base_card, ignored) ? read_text(base_card, kMaxCardBytes) : std::string(), plan);
  write_text(to, text, durable);
  return {kModelCardName, text.size(), hash_text(text)};
}

std::vector<ListedFile> write_side_files(const FusePlan& plan, const fs::path& folder, bool durable,
                                         const Execution& execution) {
  std::vector<ListedFile> listed;
  std::vector<std::byte> buffer(kCopyBytes);
  for (const fs::path& file : plan.base.side_files) {
    if (plan.settings.model_card && file == kModelCardName) continue;
    listed.push_back(copy_file(plan.base.folder / file, folder / file, file.generic_string(),
                               durable, buffer, execution));
  }
  if (plan.settings.model_card)
    listed.push_back(write_card(plan, folder / kModelCardName, durable));
  std::sort(listed.begin(), listed.end(),
            [](const ListedFile& a, const ListedFile& b) { return a.name < b.name; });
  return listed;
}

}  // namespace contourfuse
