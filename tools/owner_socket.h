// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/io.h"

namespace holdfast {

/// What a client asks the owner to do: a command line, where it stood, and its standard descriptors.
struct OwnerRequest {
  std::vector<std::string> arguments;  ///< without the program's name
  std::string directory;
  /// Environment that commands look at (colours, HOLDFAST_DATABASE…); never secrets.
  std::vector<std::pair<std::string, std::string>> environment;
};

/// Runs a request and returns its exit code. Called from a thread of the request; `io.stop` is triggered when the client goes away.
using OwnerHandler = std::function<int(const OwnerRequest& request, Io& io)>;

/// The owner's end of `<state>/socket`: commands of other processes run here while this process owns the state.
class OwnerServer {
 public:
  /// Listens; an old socket file is replaced (the caller holds the state's lock). Errors: kPermissionDenied, kInternal.
  static Result<std::unique_ptr<OwnerServer>> start(const std::string& state_directory, OwnerHandler handler);
  /// Triggers the stop tokens of running requests, then as finish().
  ~OwnerServer();

  /// Returns when no request runs; goes on serving. `interrupted` calls the requests off.
  void wait_idle(const std::stop_token& interrupted);
  /// Stops listening and waits for the requests that run; `interrupted` calls them off. Who comes too late gets kUnavailable from ask_owner.
  void finish(const std::stop_token& interrupted);

 private:
  OwnerServer();
  struct State;
  std::unique_ptr<State> state_;
};

/// Asks the owner of a state folder to run a command; nullopt when nobody listens there. `io.stop`, when triggered,
/// calls the request off. `command_exit`, when given, is called after the owner took the request (and the descriptors),
/// and its result passed on (see Io::command_exit); its output is unwanted once the owner has answered. Errors:
/// kUnavailable (the owner is just ending and took nothing: ask again), kConflict (it does not answer, or ended
/// meanwhile), kPermissionDenied, kInternal.
Result<std::optional<int>> ask_owner(const std::string& state_directory, const OwnerRequest& request, const Io& io,
                                     const Io::CommandExit& command_exit);

}  // namespace holdfast
