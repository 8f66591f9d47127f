#include "tests/model/lane.hpp"

#include <algorithm>
#include <utility>

#include "common/codec/decode.hpp"
#include "common/outcome/trouble.hpp"
#include "common/worker/member_by_member.hpp"
#include "common/worker/pausing.hpp"

namespace cartwright::model {
namespace {

constexpr std::int64_t attempts_max = 6;
/// From so many returns on a message runs alone.
constexpr std::int64_t suspicious_delivery_count = 2;

/// A delivery in hand; its body has to stay where its members point.
struct InHand {
    Delivered delivered;
    std::size_t open = 0;
};
using Hand = std::shared_ptr<InHand>;

struct Batch {
    std::vector<Hand> hands;
    std::vector<worker::Member> members;
};

amqp::Outgoing onward(const char* exchange, const std::string& key, const worker::Member& member) {
    amqp::Outgoing message;
    message.exchange = exchange;
    message.routing_key = key;
    message.body = std::string(member.raw);
    message.message_id = member.event.envelope.id.str();
    message.type = member.event.envelope.type;
    message.reply_to = member.reply_to;
    message.correlation_id = member.correlation_id;
    return message;
}

class Lane {
  public:
    Lane(World& world, Program& program, const LanePlan& plan)
        : world_(world), program_(program), plan_(plan), in_flight_(program.in_flight[plan.name]) {
        in_flight_ = 0;
        for (const auto& name : plan.queues) queues_.push_back(&world.broker.queue(name));
        hooks_.paused = [this](const std::string& why) {
            if (world_.tracing()) world_.note("pauses: " + why);
        };
        hooks_.resumed = [] {};
        hooks_.wait = [this](std::chrono::milliseconds time) {
            world_.scheduler.wait([] { return false; }, world_.scheduler.time_us + time.count() * ms);
            return true;
        };
        handler_ =
            std::make_unique<worker::Pausing>(std::make_unique<worker::MemberByMember>(plan.make()), hooks_);
    }

    void run() {
        auto next_tick = plan_.tick_us == 0 ? never_us : world_.scheduler.time_us + plan_.tick_us;
        for (;;) {
            const std::function<bool()> ready = [this] { return has_room() && has_work(); };
            const auto next_due = has_room() ? world_.broker.next_due_us(queues_) : never_us;
            world_.scheduler.wait(ready, std::min(next_due, next_tick));
            auto batch = has_room() ? take() : Batch{};
            if (!batch.members.empty()) work(std::move(batch));
            if (world_.scheduler.time_us < next_tick) continue;
            if (!world_.is(Mutation::no_sweep)) tick();
            next_tick = world_.scheduler.time_us + plan_.tick_us;
        }
    }

  private:
    bool has_room() const { return in_flight_ < plan_.in_flight_max; }
    bool has_work() const { return !again_.members.empty() || world_.broker.has_any(queues_); }

    void tick() {
        try {
            worker::until_available(hooks_, [&] { handler_->tick(); });
        } catch (const std::runtime_error&) {
            // What a tick could not do now the next one does.
        }
    }

    Batch take() {
        Batch batch = std::move(again_);
        again_ = {};
        const auto most =
            static_cast<std::size_t>(world_.random.between(1, static_cast<std::int64_t>(plan_.members_max)));
        while (batch.members.size() < most) {
            auto delivered = world_.broker.take(queues_, program_.process);
            if (!delivered) break;
            const bool alone = delivered->letter.delivery_count >= suspicious_delivery_count;
            open(std::move(*delivered), batch);
            if (alone) break;
        }
        return batch;
    }

    void open(Delivered delivered, Batch& batch) {
        auto hand = std::make_shared<InHand>();
        hand->delivered = std::move(delivered);
        const auto& letter = hand->delivered.letter;
        if (world_.tracing()) world_.note("takes " + letter.label);
        if (world_.is(Mutation::acknowledged_before_committed))
            world_.broker.acknowledge(hand->delivered, program_.process);
        static thread_local codec::Decoder decoder{codec::Limits{}};
        auto decoded = decoder.decode(letter.body);
        hand->open = decoded.size();
        for (auto& one : decoded) {
            auto* event = std::get_if<message::Event>(&one.content);
            if (event == nullptr) throw Bug{"a message of the fleet's own can't be read: " + letter.body};
            batch.hands.push_back(hand);
            batch.members.push_back({std::move(*event), one.raw, letter.reply_to, letter.correlation_id,
                                     letter.attempts, letter.redelivered});
        }
    }

    void work(Batch batch) {
        auto& at_work = program_.in_flight[plan_.name + " at work"];
        at_work = 1;
        auto result = handler_->handle(batch.members);
        const bool repeat = std::any_of(batch.members.begin(), batch.members.end(),
                                        [](const worker::Member& member) { return member.redelivered; });
        std::erase_if(result.outgoing, [&](const amqp::Outgoing& message) {
            return repeat &&
                   ((world_.is(Mutation::repeat_does_not_ring) && message.routing_key == "stock.fill") ||
                    (world_.is(Mutation::repeat_announces_nothing) &&
                     message.routing_key == "stock.changed"));
        });
        settle(batch, std::move(result));
        at_work = 0;
    }

    void settle(Batch& batch, worker::Result result) {
        auto mail = std::make_shared<Mail>();
        auto outgoing = std::move(result.outgoing);
        for (std::size_t i = 0; i < batch.members.size(); ++i) {
            auto& member = batch.members[i];
            if (std::holds_alternative<outcome::Again>(result.verdicts[i])) {
                again_.hands.push_back(batch.hands[i]);
                again_.members.push_back(std::move(member));
                continue;
            }
            settle_one(member, result.verdicts[i], outgoing);
            if (--batch.hands[i]->open == 0) mail->finished.push_back(batch.hands[i]->delivered);
        }
        if (world_.is(Mutation::acknowledged_before_confirmed)) {
            for (const auto& delivered : mail->finished)
                world_.broker.acknowledge(delivered, program_.process);
        }
        post(std::move(outgoing), std::move(mail));
    }

    void settle_one(const worker::Member& member, const outcome::Verdict& verdict,
                    std::vector<amqp::Outgoing>& outgoing) {
        const auto park = [&](const std::string& reason, const std::string& detail) {
            outgoing.push_back(onward("parking", plan_.worker, member));
            outgoing.back().headers = {{"reason", reason}, {"detail", detail}};
            if (member.reply_to.empty()) return;
            amqp::Outgoing reply;
            reply.routing_key = member.reply_to;
            outgoing.push_back(std::move(reply));
        };
        if (const auto* to_park = std::get_if<outcome::Park>(&verdict))
            park(to_park->reason, to_park->detail);
        const auto* later = std::get_if<outcome::Later>(&verdict);
        if (later == nullptr) return;
        if (plan_.ladder_ends && member.attempts >= attempts_max)
            return park("retries_exhausted", later->detail);
        outgoing.push_back(onward("retry", plan_.worker + ".retry", member));
        outgoing.back().headers = {{"x-attempt", member.attempts + 1}};
    }

    void post(std::vector<amqp::Outgoing> outgoing, std::shared_ptr<Mail> mail) {
        mail->open = outgoing.size();
        if (outgoing.empty()) {
            for (const auto& delivered : mail->finished)
                world_.broker.acknowledge(delivered, program_.process);
            return;
        }
        ++in_flight_;
        auto* counter = &in_flight_;
        for (auto& message : outgoing) program_.outbox.push_back({std::move(message), mail, 0, counter});
    }

    World& world_;
    Program& program_;
    const LanePlan& plan_;
    std::size_t& in_flight_;
    Queues queues_;
    worker::Pausing::Hooks hooks_;
    std::unique_ptr<worker::Pausing> handler_;
    Batch again_;
};

Letter letter_of(const amqp::Outgoing& message) {
    Letter letter;
    letter.body = message.body;
    letter.reply_to = message.reply_to;
    letter.correlation_id = message.correlation_id;
    letter.label = message.message_id;
    return letter;
}

std::int64_t rung_us(std::int64_t attempt) {
    constexpr std::int64_t seconds[] = {1, 2, 4, 8, 16};
    return seconds[std::clamp<std::int64_t>(attempt - 1, 0, 4)] * 1'000 * ms;
}

/// To the queue that is bound, or to who only listens here.
void publish(World& world, const amqp::Outgoing& message) {
    if (world.tracing())
        world.note(
            fmt::format("publishes {} {} to {}", message.routing_key, message.message_id, message.exchange));
    if (message.exchange == "orders") {
        world.promises.told(message.body);
        world.broker.put("splitter.orders", letter_of(message));
    } else if (message.exchange == "stock" && message.routing_key == "stock.fill") {
        world.broker.put("reserver.fill", letter_of(message));
    } else if (message.exchange == "stock") {
        world.promises.told(message.body);
    } else if (message.exchange == "seller-messages") {
        world.broker.put("router.seller-messages", letter_of(message));
    } else if (message.exchange == "parking") {
        world.promises.parked(message.message_id, std::get<std::string>(message.headers[0].second),
                              std::get<std::string>(message.headers[1].second));
    } else if (message.exchange == "retry") {
        auto letter = letter_of(message);
        letter.attempts = std::get<std::int64_t>(message.headers.front().second);
        letter.due_us = world.scheduler.time_us + rung_us(letter.attempts);
        world.broker.put(message.routing_key, std::move(letter));
    } else if (message.exchange.empty()) {
        world.promises.answered(message.routing_key, message.body);
    } else {
        throw Bug{"a message to nowhere: " + message.exchange};
    }
}

}  // namespace

void run_lane(World& world, Program& program, const LanePlan& plan) {
    Lane(world, program, plan).run();
}

/// Publishes one after the other; what is refused comes again a little later, behind the others.
void run_publisher(World& world, Program& program) {
    auto& outbox = program.outbox;
    auto& scheduler = world.scheduler;
    const auto due = [&] {
        return std::find_if(outbox.begin(), outbox.end(),
                            [&](const Outbound& one) { return one.due_us <= scheduler.time_us; });
    };
    for (;;) {
        auto wake = never_us;
        for (const auto& one : outbox) wake = std::min(wake, one.due_us);
        scheduler.wait([&] { return due() != outbox.end(); }, wake);
        const auto next = due();
        if (next == outbox.end()) continue;
        auto outbound = std::move(*next);
        outbox.erase(next);
        if (world.stormy() && world.random.per_cent(world.faults.nacks)) {
            if (world.tracing()) world.note(fmt::format("is refused {}", outbound.message.message_id));
            outbound.due_us = scheduler.time_us + 50 * ms;
            outbox.push_back(std::move(outbound));
            continue;
        }
        const auto connection = program.process.connection;
        publish(world, outbound.message);
        scheduler.step();
        if (connection != program.process.connection) {
            // Its confirm was lost with the connection.
            outbox.push_back(std::move(outbound));
            continue;
        }
        auto& mail = *outbound.mail;
        if (--mail.open > 0) continue;
        for (const auto& delivered : mail.finished) world.broker.acknowledge(delivered, program.process);
        --*outbound.in_flight;
    }
}

}  // namespace cartwright::model
