// The messages in flight on one channel opening, and which of them an answer of the broker is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "common/amqp/letter.hpp"

namespace cartwright::amqp {

struct Answered {
    LetterPointer letter;
    Confirm confirm;  ///< accepted, refused or returned
};

/// Knows nothing of sockets. The broker numbers what is published on a channel in confirm mode 1, 2, …; so
/// does this.
class ConfirmWindow {
  public:
    ConfirmWindow(std::size_t messages_max, std::size_t bytes_max);

    /// A message larger than the whole window has room in an empty one.
    bool has_room(std::size_t bytes) const;
    std::size_t size() const { return count_; }
    std::size_t bytes() const { return bytes_; }
    const Letter* oldest() const;
    const Letter* newest() const;  ///< the one sent last, null when that is settled

    /// Returns the letter's number.
    std::uint64_t add(LetterPointer letter);

    /// basic.ack (accepted) or basic.nack (refused) of one number, or of it and all before it; zero with
    /// `multiple` is all. Appends what it settles to `out`, lowest number first; a message that was returned
    /// before comes out as returned. Numbers that are not in flight are passed over.
    void answer(std::uint64_t number, bool multiple, Confirm confirm, std::vector<Answered>& out);

    /// basic.return. The broker returns messages in the order in which they were published and before it
    /// confirms them, so this is about the first message behind the one returned last that is exactly like
    /// it; two that are alike may stand for each other. Null when there is none.
    const Letter* mark_returned(const Outgoing& returned);

    /// Takes out what `condition` holds for; a later answer to it is passed over.
    std::vector<LetterPointer> take_if(const std::function<bool(const Letter&)>& condition);
    /// Takes out everything, in the order in which it was sent, and begins a new count at 1.
    std::vector<LetterPointer> take_all();

  private:
    struct Slot {
        LetterPointer letter;  ///< null once settled
        bool returned = false;
    };

    LetterPointer settle(Slot& slot);
    void drop_settled_front();

    std::size_t messages_max_, bytes_max_;
    std::deque<Slot> slots_;
    std::uint64_t first_ = 1;     ///< the number of slots_.front()
    std::uint64_t returned_ = 0;  ///< the number returned last
    std::size_t count_ = 0, bytes_ = 0;
};

}  // namespace cartwright::amqp
