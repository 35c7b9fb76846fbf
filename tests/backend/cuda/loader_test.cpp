// Whatever lies where the module should be, there is one line that says what.
#include "contourfuse/backend/cuda/loader.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "contourfuse/core/error.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

constexpr const char* kPathVariable = "CONTOURFUSE_CUDA_MODULE";
constexpr const char* kVersionVariable = "FAKE_CUDA_VERSION";
constexpr const char* kFailsVariable = "FAKE_CUDA_FAILS";

class Loader : public testing::Test {
 protected:
  Loader() { forget(); }
  ~Loader() override { forget(); }

  static CudaLoad load(const fs::path& path) {
    const std::vector<fs::path> paths{path};
    return load_cuda_module(paths);
  }
  static void expect_reason(const CudaLoad& load, const std::string& part) {
    EXPECT_EQ(load.module, nullptr);
    EXPECT_THAT(load.unusable, HasSubstr(part));
    EXPECT_THAT(load.unusable, Not(HasSubstr("\n")));
  }

 private:
  static void forget() {
    ::unsetenv(kPathVariable);
    ::unsetenv(kVersionVariable);
    ::unsetenv(kFailsVariable);
  }
};

TEST_F(Loader, LooksBesideTheProgram) {
  const auto paths = cuda_module_paths();
  ASSERT_FALSE(paths.empty());
  const fs::path program = fs::read_symlink("/proc/self/exe");
  EXPECT_EQ(paths.front(), program.parent_path().parent_path() / "lib/libcontourfuse_cuda.so");
}

TEST_F(Loader, SaysThatThereIsNoModule) {
  const CudaLoad none = load_cuda_module({});
  expect_reason(none, "built without its CUDA module");
  EXPECT_TRUE(none.absent);
  expect_reason(load("/nonexistent/libcontourfuse_cuda.so"), "built without its CUDA module");
}

TEST_F(Loader, NamesTheVariableThatLeadsNowhere) {
  ::setenv(kPathVariable, "/nonexistent/module.so", 1);
  const CudaSearch found = find_cuda_devices();
  EXPECT_TRUE(found.devices.empty());
  EXPECT_THAT(found.unusable, HasSubstr(kPathVariable));
  EXPECT_THAT(found.unusable, HasSubstr("/nonexistent/module.so"));
}

TEST_F(Loader, SaysWhyAFileIsNoLibrary) {
  const test::TemporaryFolder folder;
  folder.write("no-library.so", "no library");
  const CudaLoad loaded = load(folder / "no-library.so");
  expect_reason(loaded, (folder / "no-library.so").string());
  EXPECT_FALSE(loaded.absent);
}

TEST_F(Loader, SaysThatALibraryIsNoModule) {
  Dl_info library{};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(&std::fflush), &library), 0);
  expect_reason(load(library.dli_fname), "is no CUDA module");
}

TEST_F(Loader, RefusesAModuleOfAnotherVersion) {
  ::setenv(kVersionVariable, "99.1.2", 1);
  const CudaLoad loaded = load(FAKE_CUDA_MODULE);
  expect_reason(loaded, "99.1.2");
  expect_reason(loaded, CONTOURFUSE_VERSION);
  EXPECT_FALSE(loaded.absent);
}

TEST_F(Loader, TakesTheFirstFileThatExists) {
  const std::vector<fs::path> paths{"/nonexistent/module.so", FAKE_CUDA_MODULE};
  const CudaLoad loaded = load_cuda_module(paths);
  ASSERT_NE(loaded.module, nullptr) << loaded.unusable;
  const CudaSearch found = loaded.module->find();
  ASSERT_EQ(found.devices.size(), 2U);
  EXPECT_EQ(found.devices[0].name, "Fake GPU");
}

/// The two functions that make a backend of some devices.
const auto kMakers = {+[](std::span<const int> ordinals, std::uint64_t pinned) {
                        static_cast<void>(make_cuda_backend(ordinals, pinned));
                      },
                      +[](std::span<const int> ordinals, std::uint64_t pinned) {
                        static_cast<void>(make_cuda_sweep_backend(ordinals, pinned));
                      }};

TEST_F(Loader, LetsAnErrorOfTheModuleThrough) {
  ::setenv(kPathVariable, FAKE_CUDA_MODULE, 1);
  EXPECT_EQ(find_cuda_devices().devices.size(), 2U);
  const std::vector<int> ordinals{0};
  for (const auto make : kMakers) {
    try {
      make(ordinals, 1234);
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), "device-memory");
      EXPECT_THAT(error.message(), HasSubstr("1234"));
    }
  }
}

TEST_F(Loader, MakesNoBackendWithoutAModule) {
  ::setenv(kPathVariable, "/nonexistent/module.so", 1);
  const std::vector<int> ordinals{0};
  for (const auto make : kMakers) {
    try {
      make(ordinals, 1);
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), "device-unavailable");
    }
  }
}

TEST_F(Loader, HandsOutTheModulesSweepBackend) {
  ::setenv(kPathVariable, FAKE_CUDA_MODULE, 1);
  ::setenv(kFailsVariable, "run", 1);
  const std::vector<int> ordinals{0};
  EXPECT_EQ(make_cuda_sweep_backend(ordinals, 1)->name(), "fake");
}

}  // namespace
}  // namespace contourfuse
