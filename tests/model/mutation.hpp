// Rules that can be taken away, one at a time. A model that does not find what then breaks sees nothing. Each
// names the row of the table of schedules that it answers.
#pragma once

#include <array>
#include <string_view>

namespace cartwright::model {

enum class Mutation {
    none,
    take_from_snapshot,
    short_locks_nothing,
    held_looked_for_too_early,
    no_row_for_an_empty_offer,
    doorbell_forgets_what_it_filled,
    repeat_does_not_ring,
    cart_claim_does_not_wait,
    answer_read_with_the_claim,
    cancellation_claim_does_not_wait,
    release_from_snapshot,
    one_version_a_batch,
    repeat_announces_nothing,
    split_claim_does_not_wait,
    numbers_outlive_a_rollback,
    run_goes_on_after_a_nack,
    route_not_compared,
    epoch_not_compared,
    no_sweep,
    cancellation_leaves_ready_unclaimed,
    switch_behind_delivered,
    tried_not_recorded,
    acknowledged_before_confirmed,
    acknowledged_before_committed,
    movement_claim_does_not_wait,
};

struct MutationInfo {
    Mutation mutation;
    std::string_view name;
    std::string_view row;   ///< of the table of schedules that the design was made for
    std::string_view rule;  ///< what is taken away
};

inline constexpr std::array mutations{
    MutationInfo{
        Mutation::take_from_snapshot, "take_from_snapshot", "row 10",
        "units are taken from a row as it is once it is locked, not as it was when the statement began"},
    MutationInfo{Mutation::short_locks_nothing, "short_locks_nothing", "row 11",
                 "the statement that takes units locks short positions too"},
    MutationInfo{Mutation::held_looked_for_too_early, "held_looked_for_too_early", "row 11",
                 "whatever raises stock looks for held carts in a statement after its position update"},
    MutationInfo{Mutation::no_row_for_an_empty_offer, "no_row_for_an_empty_offer", "row 11",
                 "an offer without any position gets one, so that there is a row to lock"},
    MutationInfo{Mutation::doorbell_forgets_what_it_filled, "doorbell_forgets_what_it_filled", "row 11",
                 "a redelivered doorbell first publishes what it filled before"},
    MutationInfo{Mutation::repeat_does_not_ring, "repeat_does_not_ring", "row 11",
                 "a repeat of what raised stock rings again"},
    MutationInfo{Mutation::cart_claim_does_not_wait, "cart_claim_does_not_wait", "row 12",
                 "the insert of an order's row decides who reserves: its loser waits"},
    MutationInfo{Mutation::answer_read_with_the_claim, "answer_read_with_the_claim", "row 12",
                 "the stored answer of a simultaneous duplicate is read in the statement after the claim"},
    MutationInfo{Mutation::cancellation_claim_does_not_wait, "cancellation_claim_does_not_wait", "row 13",
                 "a cart and its cancellation insert the same row: the loser waits"},
    MutationInfo{Mutation::release_from_snapshot, "release_from_snapshot", "row 14",
                 "a release moves what is open in the reservation's row under its lock"},
    MutationInfo{Mutation::one_version_a_batch, "one_version_a_batch", "row 18",
                 "a position's version rises by the number of its ledger rows"},
    MutationInfo{Mutation::repeat_announces_nothing, "repeat_announces_nothing", "row 20",
                 "a repeat announces the positions of its order again"},
    MutationInfo{Mutation::split_claim_does_not_wait, "split_claim_does_not_wait", "row 23",
                 "a claim waits for whoever else is writing it"},
    MutationInfo{Mutation::numbers_outlive_a_rollback, "numbers_outlive_a_rollback", "row 23",
                 "numbers are taken in the transaction that stores their messages"},
    MutationInfo{Mutation::run_goes_on_after_a_nack, "run_goes_on_after_a_nack", "row 24",
                 "a run stops at its first nack; nobody retries an ordered message by itself"},
    MutationInfo{Mutation::route_not_compared, "route_not_compared", "row 26",
                 "a stream is delivered only where its row says, whatever the rules of the moment want"},
    MutationInfo{Mutation::epoch_not_compared, "epoch_not_compared", "row 27",
                 "progress at an endpoint is committed under the epoch of its lease"},
    MutationInfo{Mutation::no_sweep, "no_sweep", "row 27",
                 "a slow sweep finds the streams that nobody rings for"},
    MutationInfo{Mutation::cancellation_leaves_ready_unclaimed, "cancellation_leaves_ready_unclaimed",
                 "row 29", "a whole cancellation also tries to claim the order's own number"},
    MutationInfo{Mutation::switch_behind_delivered, "switch_behind_delivered", "row 43",
                 "on queues a switch begins behind the last number assigned"},
    MutationInfo{Mutation::tried_not_recorded, "tried_not_recorded", "row 43",
                 "the numbers that an endpoint is about to be called with are recorded before the call"},
    MutationInfo{Mutation::acknowledged_before_confirmed, "acknowledged_before_confirmed", "row 20",
                 "a message is acknowledged when everything it caused is confirmed"},
    MutationInfo{Mutation::acknowledged_before_committed, "acknowledged_before_committed", "row 42",
                 "a message is acknowledged after the commit of its effect"},
    MutationInfo{Mutation::movement_claim_does_not_wait, "movement_claim_does_not_wait", "row 12",
                 "a movement is claimed by its event and index before it is folded"},
};

}  // namespace cartwright::model
