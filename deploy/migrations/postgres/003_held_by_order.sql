-- A held order that is cancelled leaves its rows until the fill lane has seen whom it kept waiting: they are found by order
-- when the cancellation comes again.
create index held_line_order on held_line (order_id);
