// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace holdfast::fs {

using NodeId = std::uint64_t;

/// What a node of a read-only branch is; branches derive from it. Immutable after it was made, except where a derived class says otherwise.
class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(std::shared_ptr<const Node> parent, std::string name) : parent_(std::move(parent)), name_(std::move(name)) {}
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The number the kernel knows it by; 0 until the table has it.
  [[nodiscard]] NodeId id() const noexcept { return id_; }
  [[nodiscard]] const std::shared_ptr<const Node>& parent() const noexcept { return parent_; }
  /// Its key below the parent: the name, for some kinds with a suffix after a NUL byte.
  [[nodiscard]] const std::string& key() const noexcept { return name_; }
  /// Whether the kernel loses nothing but time when it forgets the name: it can be looked up again, and nothing hangs below it.
  [[nodiscard]] virtual bool is_leaf() const noexcept { return false; }

 private:
  friend class InodeTable;
  std::shared_ptr<const Node> parent_;  ///< a node keeps its parents alive, whatever the kernel forgets first
  std::string name_;
  NodeId id_ = 0;
};

/// Which node ids the kernel holds, and how often it was told of each (its lookup count). One node a (parent, key), so that a directory never has two ids.
/// Nodes with a fixed id are never dropped. Owned by the mount; safe from any thread.
class InodeTable {
 public:
  /// Ids of dynamic nodes count up from here and are never used again.
  static constexpr NodeId kFirstDynamicId = 1024;

  /// Registers a node that is there for ever under `id` (below kFirstDynamicId).
  void add_fixed(NodeId id, std::shared_ptr<Node> node);

  /// The node with `id`, or null (a kernel that asks for what it has forgotten: ESTALE).
  [[nodiscard]] std::shared_ptr<Node> find(NodeId id) const;

  /// Gives the node that stands for `made`'s parent and key: the one that is there, else `made` itself under a new id; its count goes up by one.
  /// The caller must undo that with release(id, 1) when its reply did not reach the kernel.
  std::shared_ptr<Node> acquire(std::shared_ptr<Node> made);
  /// The same where the caller has no node: null when the kernel does not hold one, of that parent and key.
  std::shared_ptr<Node> acquire_held(NodeId parent, const std::string& key);

  struct Forget {
    NodeId id = 0;
    std::uint64_t count = 0;
  };
  /// Takes `count` off; at zero the id is gone. Unknown ids are ignored (the kernel may forget what was never counted after an abort).
  void release(NodeId id, std::uint64_t count);
  void release(std::span<const Forget> batch);

  /// Calls `visit` with every dynamic node below `parent`, outside the lock.
  void visit_children(NodeId parent, const std::function<void(const Node&)>& visit) const;
  /// Dynamic nodes held.
  [[nodiscard]] std::size_t size() const;
  /// Of the leaves; those that were given out longest ago first.
  [[nodiscard]] std::vector<NodeId> leaves() const;

 private:
  struct Slot {
    std::shared_ptr<Node> node;
    std::uint64_t count = 0;
  };
  /// Nodes by parent and key, which stand in the nodes: there may be a million.
  struct Key {
    NodeId parent;
    std::string_view name;
    friend bool operator==(const Key&, const Key&) = default;
  };
  static Key key_of(const Node* node) noexcept { return {node->parent()->id(), node->key()}; }
  static Key key_of(const Key& key) noexcept { return key; }
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(const auto& of) const noexcept {
      const Key key = key_of(of);
      return std::hash<std::string_view>{}(key.name) ^ (key.parent * 0x9e3779b97f4a7c15U);
    }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const auto& left, const auto& right) const noexcept { return key_of(left) == key_of(right); }
  };
  void release_locked(NodeId id, std::uint64_t count, std::shared_ptr<Node>& dropped);

  mutable std::mutex mutex_;
  std::unordered_map<NodeId, Slot> slots_;
  std::unordered_set<const Node*, KeyHash, KeyEqual> by_key_;
  std::unordered_map<NodeId, std::shared_ptr<Node>> fixed_;
  NodeId next_id_ = kFirstDynamicId;
};

}  // namespace holdfast::fs
