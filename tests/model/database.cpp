#include "tests/model/database.hpp"

namespace cartwright::model {

void Database::commit(Work& work) {
    committing = &work;
    for (const auto& write : work.unlocked_writes) write();
    for (const auto& [table, slot] : work.touched) table->commit(slot);
    work.touched.clear();
    committing = nullptr;
    if (on_commit) on_commit(work);
}

void Database::roll_back(Work& work) {
    for (const auto& [table, slot] : work.touched) table->release(slot);
    work.touched.clear();
}

/// A circle of waits closes with the last wait: whoever would close it is the victim.
void Database::wait_for(Work& work, Work* const& owner) {
    for (const auto* other = owner; other != nullptr;) {
        if (other == &work) throw Deadlock{};
        other = other->waits_for == nullptr ? nullptr : *other->waits_for;
    }
    work.waits_for = &owner;
    try {
        scheduler_.wait([&] { return owner == nullptr || work.broken; });
    } catch (...) {
        work.waits_for = nullptr;
        throw;
    }
    work.waits_for = nullptr;
    if (work.broken) throw Deadlock{};
}

}  // namespace cartwright::model
