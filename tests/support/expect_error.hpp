#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "p2p/error.hpp"

namespace p2p::test {

/// Expects `action` to throw Error of `code` whose sentence holds every one of `parts`.
template <class Action>
void expect_error(ErrorCode code, std::initializer_list<const char*> parts, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const char* part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' is not in: " << error.what();
    }
  }
}

template <class Action>
void expect_bad_data(std::initializer_list<const char*> parts, Action&& action) {
  expect_error(ErrorCode::kBadData, parts, action);
}
template <class Action>
void expect_usage(std::initializer_list<const char*> parts, Action&& action) {
  expect_error(ErrorCode::kUsage, parts, action);
}

}  // namespace p2p::test
