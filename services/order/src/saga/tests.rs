//! Every (state, input) by table, and every reachable interleaving by walking the whole graph.

use std::collections::{HashMap, HashSet};

use super::{Capture, Effect, Input, Reason, State, Status, Step, Undo, step};

const REASONS: [Reason; 4] = [
    Reason::OutOfStock,
    Reason::PaymentFailed,
    Reason::CancelRequested,
    Reason::DeadlinePassed,
];

const INPUTS: [Input; 14] = [
    Input::StockReserved,
    Input::StockRejected,
    Input::PaymentAuthorized,
    Input::PaymentFailed,
    Input::Confirmed,
    Input::ConfirmRefused,
    Input::Captured,
    Input::CaptureFailed,
    Input::DeadlinePassed {
        capture: Capture::Untouched,
    },
    Input::DeadlinePassed {
        capture: Capture::Started,
    },
    CANCEL,
    CANCEL_LATE,
    Input::Released,
    Input::Reversed,
];

const CANCEL: Input = Input::CancelRequested {
    capture: Capture::Untouched,
};
const CANCEL_LATE: Input = Input::CancelRequested {
    capture: Capture::Started,
};
const DEADLINE: Input = Input::DeadlinePassed {
    capture: Capture::Untouched,
};
const DEADLINE_LATE: Input = Input::DeadlinePassed {
    capture: Capture::Started,
};

const UNDOS: [Undo; 3] = [Undo::NotNeeded, Undo::Asked, Undo::Done];

/// What a state answers to the inputs that move it; every other input must change nothing.
type Moves = Vec<(Input, State, Vec<Effect>)>;

fn pending(stock_held: bool, payment_held: bool) -> State {
    State::Pending {
        stock_held,
        payment_held,
    }
}

fn cancelling(reason: Reason, release: Undo, reverse: Undo) -> State {
    State::Cancelling {
        reason,
        release,
        reverse,
    }
}

fn moved(from: Status, to: Status, reason: Option<Reason>) -> Effect {
    Effect::Moved { from, to, reason }
}

/// Enters CANCELLING from `from` with the compensations in `starts`.
fn undone(
    input: Input,
    from: Status,
    reason: Reason,
    starts: &[Step],
) -> (Input, State, Vec<Effect>) {
    let asked = |step| {
        if starts.contains(&step) {
            Undo::Asked
        } else {
            Undo::NotNeeded
        }
    };
    let mut effects = vec![moved(from, Status::Cancelling, Some(reason))];
    effects.extend(starts.iter().copied().map(Effect::Start));
    let state = cancelling(
        reason,
        asked(Step::ReleaseReservation),
        asked(Step::ReversePayment),
    );
    (input, state, effects)
}

const BOTH: &[Step] = &[Step::ReleaseReservation, Step::ReversePayment];

fn pending_moves(stock_held: bool, payment_held: bool) -> Moves {
    let from = Status::Pending;
    let mut moves = vec![
        undone(
            Input::StockRejected,
            from,
            Reason::OutOfStock,
            &[Step::ReversePayment],
        ),
        undone(
            Input::PaymentFailed,
            from,
            Reason::PaymentFailed,
            &[Step::ReleaseReservation],
        ),
        undone(DEADLINE, from, Reason::DeadlinePassed, BOTH),
        undone(DEADLINE_LATE, from, Reason::DeadlinePassed, BOTH),
        undone(CANCEL, from, Reason::CancelRequested, BOTH),
        undone(CANCEL_LATE, from, Reason::CancelRequested, BOTH),
    ];
    let confirm = vec![Effect::Start(Step::ConfirmReservation)];
    match (stock_held, payment_held) {
        (false, false) => {
            moves.push((Input::StockReserved, pending(true, false), vec![]));
            moves.push((Input::PaymentAuthorized, pending(false, true), vec![]));
        }
        (true, false) => moves.push((Input::PaymentAuthorized, pending(true, true), confirm)),
        (false, true) => moves.push((Input::StockReserved, pending(true, true), confirm)),
        (true, true) => {
            moves.push((
                Input::Confirmed,
                State::Confirmed { cancel: None },
                vec![
                    moved(from, Status::Confirmed, None),
                    Effect::Start(Step::CapturePayment),
                ],
            ));
            moves.push(undone(
                Input::ConfirmRefused,
                from,
                Reason::OutOfStock,
                BOTH,
            ));
        }
    }
    moves
}

fn confirmed_moves(cancel: Option<Reason>) -> Moves {
    let from = Status::Confirmed;
    let paid = moved(from, Status::Paid, None);
    let mut moves = vec![undone(
        Input::CaptureFailed,
        from,
        Reason::PaymentFailed,
        BOTH,
    )];
    let Some(reason) = cancel else {
        moves.push((Input::Captured, State::Paid, vec![paid]));
        for (untouched, started, reason) in [
            (CANCEL, CANCEL_LATE, Reason::CancelRequested),
            (DEADLINE, DEADLINE_LATE, Reason::DeadlinePassed),
        ] {
            let mut withdrawn = undone(untouched, from, reason, BOTH);
            withdrawn.2.push(Effect::Withdraw(Step::CapturePayment));
            moves.push(withdrawn);
            let cancel = Some(reason);
            moves.push((started, State::Confirmed { cancel }, vec![]));
        }
        return moves;
    };
    let mut captured = undone(Input::Captured, Status::Paid, reason, BOTH);
    captured.2.insert(0, paid);
    moves.push(captured);
    moves
}

fn cancelling_moves(reason: Reason, release: Undo, reverse: Undo) -> Moves {
    let end = || {
        let effect = moved(Status::Cancelling, Status::Cancelled, Some(reason));
        (State::Cancelled { reason }, vec![effect])
    };
    let mut moves = Vec::new();
    if release == Undo::Asked {
        let (state, effects) = match reverse {
            Undo::Asked => (cancelling(reason, Undo::Done, Undo::Asked), vec![]),
            Undo::NotNeeded | Undo::Done => end(),
        };
        moves.push((Input::Released, state, effects));
    }
    if reverse == Undo::Asked {
        let (state, effects) = match release {
            Undo::Asked => (cancelling(reason, Undo::Asked, Undo::Done), vec![]),
            Undo::NotNeeded | Undo::Done => end(),
        };
        moves.push((Input::Reversed, state, effects));
    }
    moves
}

/// Every state there is, with its row of the table.
fn table() -> Vec<(State, Moves)> {
    let mut table = Vec::new();
    for stock_held in [false, true] {
        for payment_held in [false, true] {
            table.push((
                pending(stock_held, payment_held),
                pending_moves(stock_held, payment_held),
            ));
        }
    }
    for cancel in [None].into_iter().chain(REASONS.map(Some)) {
        table.push((State::Confirmed { cancel }, confirmed_moves(cancel)));
    }
    let refund = [CANCEL, CANCEL_LATE]
        .map(|input| undone(input, Status::Paid, Reason::CancelRequested, BOTH));
    table.push((State::Paid, refund.to_vec()));
    for reason in REASONS {
        for (release, reverse) in unsettled() {
            table.push((
                cancelling(reason, release, reverse),
                cancelling_moves(reason, release, reverse),
            ));
        }
        table.push((State::Cancelled { reason }, vec![]));
    }
    table
}

/// A state CANCELLING with nothing left to ask for does not last: it is CANCELLED.
fn unsettled() -> Vec<(Undo, Undo)> {
    let mut pairs = Vec::new();
    for release in UNDOS {
        for reverse in UNDOS {
            if release == Undo::Asked || reverse == Undo::Asked {
                pairs.push((release, reverse));
            }
        }
    }
    pairs
}

#[test]
fn every_input_in_every_state_does_what_the_table_says_and_nothing_else() {
    let mut pairs = 0;
    for (state, moves) in table() {
        for input in INPUTS {
            let expected = moves
                .iter()
                .find(|(moving, _, _)| *moving == input)
                .map_or((state, vec![]), |(_, to, effects)| (*to, effects.clone()));
            assert_eq!(step(state, input), expected, "{input:?} in {state:?}");
            pairs += 1;
        }
        for (input, _, _) in &moves {
            assert!(INPUTS.contains(input), "the table names {input:?} twice");
        }
    }
    assert_eq!(pairs, 34 * INPUTS.len(), "the table misses a state");
}

#[test]
fn nothing_to_undo_cancels_at_once() {
    let (state, effects) = super::undo(
        Status::Pending,
        Reason::OutOfStock,
        Undo::NotNeeded,
        Undo::NotNeeded,
    );
    let reason = Reason::OutOfStock;
    assert_eq!(state, State::Cancelled { reason });
    assert_eq!(
        effects,
        [
            moved(Status::Pending, Status::Cancelling, Some(reason)),
            moved(Status::Cancelling, Status::Cancelled, Some(reason)),
        ]
    );
}

/// One way through the graph: the state and what was started and not withdrawn on the way.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Walk {
    state: State,
    started: Vec<Step>,
    paid: bool,
}

/// All that can be reached from a new order by any inputs in any order, duplicates included.
fn reachable() -> Vec<Walk> {
    let first = Walk {
        state: State::PLACED,
        started: vec![],
        paid: false,
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut queue = vec![first];
    let mut all = Vec::new();
    while let Some(walk) = queue.pop() {
        for input in INPUTS {
            let next = follow(&walk, input);
            if seen.insert(next.clone()) {
                queue.push(next);
            }
        }
        all.push(walk);
    }
    all
}

fn follow(walk: &Walk, input: Input) -> Walk {
    let (state, effects) = step(walk.state, input);
    let mut next = Walk {
        state,
        ..walk.clone()
    };
    for effect in effects {
        match effect {
            Effect::Start(step) => {
                assert!(!next.started.contains(&step), "{step:?} started twice");
                next.started.push(step);
            }
            Effect::Withdraw(step) => next.started.retain(|started| *started != step),
            Effect::Moved { to, .. } => next.paid |= to == Status::Paid,
        }
    }
    next.started.sort_by_key(|step| *step as u8);
    next
}

#[test]
fn no_task_is_started_twice_on_any_way() {
    // `follow` asserts it on every edge.
    assert!(reachable().len() > 20);
}

#[test]
fn an_order_that_was_paid_is_cancelled_only_with_its_money_and_stock_back() {
    for walk in reachable() {
        if walk.paid && walk.state.status() != Status::Paid {
            for step in BOTH {
                assert!(walk.started.contains(step), "{:?}", walk.state);
            }
        }
    }
}

#[test]
fn an_order_whose_capture_may_run_is_never_undone_without_a_reversal() {
    for walk in reachable() {
        let undone = matches!(walk.state.status(), Status::Cancelling | Status::Cancelled);
        let captured = walk.started.contains(&Step::CapturePayment);
        let refused = walk.state.reason() == Some(Reason::PaymentFailed);
        if undone && captured && !refused {
            assert!(walk.started.contains(&Step::ReversePayment));
        }
    }
}

#[test]
fn every_way_can_still_end_settled() {
    // Answers that the tasks under way are bound to bring, in one pass or two.
    for walk in reachable() {
        let mut state = walk.state;
        for input in [DEADLINE, Input::Captured, Input::Released, Input::Reversed] {
            state = step(state, input).0;
        }
        assert!(
            matches!(state.status(), Status::Paid | Status::Cancelled),
            "{state:?}"
        );
    }
}

#[test]
fn cancelled_is_final_and_the_reason_never_changes() {
    let mut reasons: HashMap<State, Reason> = HashMap::new();
    for walk in reachable() {
        let Some(reason) = walk.state.reason() else {
            continue;
        };
        reasons.insert(walk.state, reason);
        for input in INPUTS {
            let (next, _) = step(walk.state, input);
            assert_eq!(next.reason(), Some(reason), "{input:?} in {:?}", walk.state);
        }
    }
    assert!(reasons.len() > 4);
}

#[test]
fn the_moves_of_one_step_form_a_chain_from_the_old_status_to_the_new() {
    for walk in reachable() {
        for input in INPUTS {
            let (next, effects) = step(walk.state, input);
            let mut status = walk.state.status();
            for effect in effects {
                if let Effect::Moved { from, to, .. } = effect {
                    assert_eq!(from, status);
                    status = to;
                }
            }
            assert_eq!(status, next.status());
        }
    }
}

#[test]
fn only_a_cancel_that_waits_for_the_capture_shows_as_requested() {
    let (state, effects) = step(State::Confirmed { cancel: None }, CANCEL_LATE);
    assert!(state.cancel_requested());
    assert!(effects.is_empty());
    assert!(!State::PLACED.cancel_requested());
    assert!(!step(state, Input::Captured).0.cancel_requested());
}
