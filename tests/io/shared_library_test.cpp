// What is loaded, and the reason when it cannot be.
#include "contourfuse/io/shared_library.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using Cosine = double(double);
constexpr const char* kMathematics = "libm.so.6";

double cosine(const SharedLibrary& library, double x) {
  Cosine* function = nullptr;
  library.find("cos", function);
  return function(x);
}

/// The reason, or nothing if there is none.
std::string refusal(const std::vector<std::string>& names) {
  try {
    const SharedLibrary library(names);
  } catch (const SharedLibraryError& error) {
    return error.what();
  }
  return {};
}

TEST(SharedLibrary, GivesFunctions) {
  EXPECT_EQ(cosine(SharedLibrary(std::vector<std::string>{kMathematics}), 0), 1);
}

TEST(SharedLibrary, TakesTheFirstThatThereIs) {
  EXPECT_EQ(cosine(SharedLibrary(std::vector<std::string>{"libno-such.so", kMathematics}), 0), 1);
}

TEST(SharedLibrary, SaysWhyNotTheFirst) {
  const test::TemporaryFolder folder;
  const std::string text = (folder / "text.so").string();
  File::create(text).write(0, std::vector<std::byte>(100));
  const std::string reason = refusal({text, "libno-such.so"});
  EXPECT_NE(reason.find(text), std::string::npos) << reason;
  EXPECT_EQ(reason.find("libno-such"), std::string::npos) << reason;
  EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
  EXPECT_NE(refusal({"libno-such.so"}).find("libno-such.so"), std::string::npos);
  EXPECT_NE(refusal({}), "");
}

TEST(SharedLibrary, SaysWhichFunctionLacks) {
  const SharedLibrary library(std::vector<std::string>{kMathematics});
  Cosine* function = nullptr;
  try {
    library.find("no_such_function", function);
    FAIL() << "found";
  } catch (const SharedLibraryError& error) {
    EXPECT_NE(std::string(error.what()).find("no_such_function"), std::string::npos);
  }
}

}  // namespace
}  // namespace contourfuse
