#include "engine/subprocess.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include "support/written_file.hpp"

namespace p2p::engine {
namespace {

using test::OutputFolder;
using testing::IsEmpty;

Finished shell(const std::string& script) { return run_program({"/bin/sh", "-c", script}); }

bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(RunProgram, GivesStatusAndBothStreams) {
  const Finished end = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(end.status, 3);
  EXPECT_EQ(end.out, "out\n");
  EXPECT_EQ(end.err, "err\n");
}

TEST(RunProgram, PassesArgumentsWithoutAShell) {
  const Finished end = run_program({"printf", "%s|%s", "$HOME; a  b", "'"});
  EXPECT_EQ(end.out, "$HOME; a  b|'");
}

TEST(RunProgram, AProgramThatIsNotThereIsStatus127) {
  EXPECT_EQ(run_program({"p2p-no-such-program"}).status, 127);
  EXPECT_EQ(run_program({"/p2p/no/such/program"}).status, 127);
}

TEST(RunProgram, TellsTheSignalThatEndedIt) {
  EXPECT_EQ(shell("kill -9 $$").status, 128 + SIGKILL);
}

TEST(RunProgram, ReadsNothingFromStandardInput) {
  const Finished end = run_program({"cat"});
  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.out, IsEmpty());
}

TEST(RunProgram, BothStreamsMayBeFullAtOnceAndAreKeptUpToOneMebibyte) {
  const Finished end = shell(
      "head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait; "
      "head -c 100000 /dev/zero >&2");
  EXPECT_EQ(end.status, 0);
  EXPECT_EQ(end.out.size(), kKeptOutput);
  EXPECT_EQ(end.err.size(), kKeptOutput);
}

TEST(RunProgram, TheProgramMeetsTheDefaultActionOfSigpipe) {
  const auto old = std::signal(SIGPIPE, SIG_IGN);
  const Finished end = shell("kill -13 $$; echo ignored");
  std::signal(SIGPIPE, old);
  EXPECT_EQ(end.status, 128 + SIGPIPE);
}

TEST(RunProgram, DoesNotInheritTheConnectionsToOthers) {
  const std::string without = shell("ls /proc/self/fd").out;
  const Process other({"cat"});
  EXPECT_EQ(shell("ls /proc/self/fd").out, without);
}

TEST(RunProgram, DoesNotOutliveThisProcess) {
  const OutputFolder folder;
  const std::string script = "echo $$ > " + folder.path("new") + "; mv " + folder.path("new") +
                             " " + folder.path("pid") + "; exec sleep 1000";
  const pid_t parent = fork();
  if (parent == 0) {
    shell(script);
    _Exit(0);
  }
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("pid")); }));
  const auto child = static_cast<pid_t>(std::stol(test::read_file(folder.path("pid"))));
  ASSERT_EQ(kill(child, 0), 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  // It may stay in the table of processes until whoever inherited it looks.
  EXPECT_TRUE(comes_true([&] {
    return kill(child, 0) != 0 ||
           test::read_file("/proc/" + std::to_string(child) + "/stat").find(") Z ") !=
               std::string::npos;
  }));
}

TEST(Process, AnswersInTurns) {
  Process process({"cat"});
  for (const std::string text : {"one", "two"}) {
    ASSERT_TRUE(process.write(text.data(), text.size()));
    std::string answer(text.size(), '\0');
    ASSERT_EQ(process.read(answer.data(), answer.size()), text.size());
    EXPECT_EQ(answer, text);
  }
  EXPECT_EQ(process.finish().status, 0);
}

TEST(Process, AShortAnswerMeansThatItEnded) {
  Process process({"/bin/sh", "-c", "printf abc; echo why >&2; exit 5"});
  std::string answer(10, '\0');
  EXPECT_EQ(process.read(answer.data(), answer.size()), 3U);
  const Finished end = process.finish();
  EXPECT_EQ(end.status, 5);
  EXPECT_EQ(end.err, "why\n");
}

TEST(Process, WritingToOneThatReadsNoMoreIsNoSignal) {
  Process process({"/bin/sh", "-c", "exec <&-; echo closed; sleep 1000"});
  std::string line(7, '\0');
  process.read(line.data(), line.size());
  EXPECT_FALSE(process.write("x", 1));
}

TEST(Process, TakesManyBytesWhileTheProgramComplains) {
  Process process({"/bin/sh", "-c", "head -c 300000 /dev/zero >&2; wc -c"});
  const std::string bytes(1'000'000, 'x');
  ASSERT_TRUE(process.write(bytes.data(), bytes.size()));
  const Finished end = process.finish();
  EXPECT_EQ(end.out, "1000000\n");
  EXPECT_EQ(end.err.size(), 300'000U);
}

TEST(Process, IsKilledWhenNobodyWaitsForIt) {
  const auto start = std::chrono::steady_clock::now();
  { const Process process({"sleep", "1000"}); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(100));
}

}  // namespace
}  // namespace p2p::engine
