#pragma once

/// What a command does about signals. A program that embeds the library and handles
/// signals itself leaves these alone.
namespace p2p {

/// SIGINT, SIGTERM and SIGHUP (those not ignored already) first unlink every temporary file of the
/// library, then end the process by that signal. Call once, before the first output is opened.
void remove_temporary_files_on_signal();

/// SIGPIPE and SIGXFSZ no longer end the process: the write that caused them throws Error instead.
void report_failed_writes_as_errors();

}  // namespace p2p
