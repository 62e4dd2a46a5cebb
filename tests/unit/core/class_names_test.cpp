#include "p2p/class_names.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace p2p {
namespace {

using Names = std::vector<std::string>;

TEST(AgreeOnClassNames, GivesTheNamesOfTheSourcesThatHaveAny) {
  EXPECT_EQ(agree_on_class_names({{"a.npy", {}}, {"b.csv", {"cat", "dog"}}, {"c.npy", {}}}),
            (Names{"cat", "dog"}));
}

TEST(AgreeOnClassNames, GivesNothingWhenNoneHasNames) {
  EXPECT_EQ(agree_on_class_names({{"a.npy", {}}, {"b.npy", {}}}), Names{});
  EXPECT_EQ(agree_on_class_names({}), Names{});
}

TEST(AgreeOnClassNames, RefusesColumnsInAnotherOrder) {
  test::expect_bad_data({"class 1", "'bird' in b.csv", "'cat' in a.csv"}, [] {
    agree_on_class_names({{"a.csv", {"ant", "cat", "bird"}}, {"b.csv", {"ant", "bird", "cat"}}});
  });
}

TEST(AgreeOnClassNames, RefusesAnotherNumberOfClasses) {
  test::expect_bad_data({"b.csv names 1 classes", "a.csv names 2"}, [] {
    agree_on_class_names({{"a.csv", {"ant", "cat"}}, {"b.csv", {"ant"}}});
  });
}

TEST(FindClass, PrefersANameOverANumber) {
  EXPECT_EQ(find_class("2", {"2", "1", "0"}, 3), 0);
  EXPECT_EQ(find_class("cat", {"dog", "cat"}, 2), 1);
}

TEST(FindClass, ReadsANumber) {
  EXPECT_EQ(find_class("0", {}, 3), 0);
  EXPECT_EQ(find_class("2", {"a", "b", "c"}, 3), 2);
}

TEST(FindClass, RefusesWhatIsNeither) {
  for (const char* text : {"", "3", "-1", "+1", "1.0", "1 ", "Cat", "99999999999999999999"}) {
    test::expect_usage({"neither a class name nor a class number from 0 to 2"}, [&] {
      find_class(text, {"cat", "dog", "eel"}, 3);
    });
  }
}

}  // namespace
}  // namespace p2p
