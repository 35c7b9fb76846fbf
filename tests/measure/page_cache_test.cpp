// Files whose pages the system is asked to forget.
#include "contourfuse/measure/page_cache.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 64;

std::size_t resident_pages(const std::filesystem::path& path) {
  const File file = File::open(path);
  void* const mapping =
      ::mmap(nullptr, kPages * kPage, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  std::vector<unsigned char> resident(kPages);
  EXPECT_EQ(::mincore(mapping, kPages * kPage, resident.data()), 0);
  ::munmap(mapping, kPages * kPage);
  return static_cast<std::size_t>(
      std::ranges::count_if(resident, [](unsigned char page) { return (page & 1U) != 0; }));
}

TEST(PageCache, ForgetsFilesInEveryFolderBelow) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "below" / "file";
  test::write_bytes(file, std::string(kPages * kPage, 'x'));
  struct statfs system {};
  ASSERT_EQ(::statfs(file.c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC || system.f_type == OVERLAYFS_SUPER_MAGIC) {
    GTEST_SKIP() << "the temporary folder's filesystem does not drop pages";
  }
  ASSERT_EQ(resident_pages(file), kPages);
  drop_from_cache(folder.path());
  EXPECT_EQ(resident_pages(file), 0U);
}

}  // namespace
}  // namespace contourfuse
