// The page cache, as far as a bench must know it.
#include "contourfuse/measure/page_cache.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "contourfuse/io/file.hpp"

namespace contourfuse {
namespace fs = std::filesystem;

void drop_from_cache(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const File file = File::open(entry.path());
    // Only clean pages are dropped. Both are hints: what stays makes the bench warmer, no more.
    static_cast<void>(::fdatasync(file.descriptor()));
    static_cast<void>(::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED));
  }
}

}  // namespace contourfuse
