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
  /// Listens; an old socket file is replaced (the caller holds the state's lock). Errors: kInternal.
  static Result<std::unique_ptr<OwnerServer>> start(const std::string& state_directory, OwnerHandler handler);
  /// Stops listening, triggers the stop tokens of running requests and waits for them.
  ~OwnerServer();

 private:
  OwnerServer();
  struct State;
  std::unique_ptr<State> state_;
};

/// Asks the owner of a state folder to run a command; nullopt when nobody listens there. `interrupted`, when triggered, calls the request off.
/// `command_exit`, when given, is called after the request was sent and its result passed on (see Io::command_exit).
/// Errors: kConflict (the owner does not answer), kPermissionDenied.
Result<std::optional<int>> ask_owner(const std::string& state_directory, const OwnerRequest& request, const Io& io,
                                     const std::function<Result<int>()>& command_exit);

}  // namespace holdfast
