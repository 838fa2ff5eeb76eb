//! Where the runs of a stage are, and what is to be done next: the scheduler's state without its threads, channels and clocks.
//!
//! Who drives it says what happened ([`Flights::fetched`], [`Flights::computed`], …), and asks what to do ([`Flights::next`]) until
//! there is nothing. `tests/model.rs` tries every order in which things can happen in small stages.

use std::{mem, ops::Range};

/// What a stage asks of the order of its runs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// Runs that hold something at most.
    pub in_flight: usize,
    /// Whether runs are handed to the lanes one after the other.
    pub computes_in_order: bool,
    /// Whether runs have anything that must be delivered in order.
    pub delivers_in_order: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Next<T> {
    /// A run is let in: its inputs are to be copied ([`Flights::fetched`]), unless it is left out ([`Flights::left_out`]).
    Begin(usize),
    /// Its inputs are there: it is for the lanes ([`Flights::computed`]).
    Compute(T),
    /// Its results that have no order are to be delivered ([`Flights::delivered`]).
    Deliver(T),
    /// Its results that have an order are to be delivered, and it is its turn ([`Flights::delivered_in_order`]).
    DeliverInOrder(T),
    /// It has nothing more to give: what it holds is to be taken back, before anything else is asked.
    TakeBack(T),
}

/// Where a run is. Before it is admitted it is absent, after its last result is out of its buffers it is done.
#[derive(Clone, PartialEq, Eq, Hash)]
enum State<T> {
    /// With who was told to do something with it: an I/O thread, the lanes, or the scheduler itself.
    Out,
    /// Its inputs are there. Where runs are computed in order, those before it may not have theirs.
    Ready(T),
    /// Computed; nothing is delivered yet.
    Computed(T),
    /// Its ordered results wait for those of earlier runs.
    Waiting(T),
    /// Everything is delivered.
    Spent(T),
    /// Only with the I/O threads that write its results.
    Storing,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Flight<T> {
    run: usize,
    state: State<T>,
    stores_pending: usize,
}

/// The runs of a stage: those that hold something, and how far the others are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Flights<T, E> {
    rules: Rules,
    /// Runs that hold something; never more than `rules.in_flight`.
    flights: Vec<Flight<T>>,
    /// Runs that are not admitted yet.
    absent: Range<usize>,
    /// The run that is computed next, where they are computed in order.
    next_computed: usize,
    /// The run whose ordered results come next.
    next_delivered: usize,
    /// Lanes that have not said that they ended.
    lanes_running: usize,
    runs_done: usize,
    failed: Option<(usize, E)>,
}

impl<T, E> Flights<T, E> {
    /// The runs of a stage, before anything happened.
    pub fn new(runs: Range<usize>, rules: Rules) -> Self {
        Flights {
            flights: Vec::with_capacity(rules.in_flight),
            rules,
            next_computed: runs.start,
            next_delivered: runs.start,
            absent: runs,
            lanes_running: 0,
            runs_done: 0,
            failed: None,
        }
    }

    /// What to do next; `None` until something else happens.
    pub fn next(&mut self) -> Option<Next<T>> {
        let Some(place) = self.flights.iter().position(|flight| self.is_due(flight)) else {
            return self.admit();
        };
        let run = self.flights[place].run;
        let goes_on = !self.is_given_up(run);
        match mem::replace(&mut self.flights[place].state, State::Out) {
            State::Ready(task) if goes_on => {
                self.next_computed = run + 1;
                Some(Next::Compute(task))
            }
            State::Computed(task) if goes_on => Some(Next::Deliver(task)),
            State::Waiting(task) if goes_on => {
                self.next_delivered = run + 1;
                Some(Next::DeliverInOrder(task))
            }
            State::Ready(task) | State::Computed(task) | State::Waiting(task) | State::Spent(task) => {
                self.flights[place].state = State::Storing;
                self.retire(place);
                Some(Next::TakeBack(task))
            }
            // Neither is ever due.
            State::Out | State::Storing => None,
        }
    }

    /// Whether there is something to do for a run.
    fn is_due(&self, flight: &Flight<T>) -> bool {
        match flight.state {
            State::Out | State::Storing => false,
            State::Computed(_) | State::Spent(_) => true,
            State::Ready(_) => !self.rules.computes_in_order || flight.run == self.next_computed || self.is_given_up(flight.run),
            State::Waiting(_) => flight.run == self.next_delivered || self.is_given_up(flight.run),
        }
    }

    /// Lets a run in, as far as the plan allows runs to hold buffers.
    fn admit(&mut self) -> Option<Next<T>> {
        if self.failed.is_some() || self.flights.len() >= self.rules.in_flight {
            return None;
        }
        let run = self.absent.next()?;
        self.flights.push(Flight { run, state: State::Out, stores_pending: 0 });
        Some(Next::Begin(run))
    }

    /// A run that was to begin will not: an earlier job finished it, which happens only where nothing has an order, or it could not be
    /// begun, which is told as a failure too.
    pub fn left_out(&mut self, run: usize) {
        self.put(run, State::Storing);
        self.retire_run(run);
    }

    /// A run's inputs are there, or the run has failed.
    pub fn fetched(&mut self, run: usize, task: T) {
        self.put(run, State::Ready(task));
    }

    /// A lane was started.
    pub fn lane_started(&mut self) {
        self.lanes_running += 1;
    }

    /// A lane ended.
    pub fn lane_ended(&mut self) {
        self.lanes_running -= 1;
    }

    /// A run's results are there, or the run has failed.
    pub fn computed(&mut self, run: usize, task: T) {
        self.put(run, State::Computed(task));
    }

    /// What has no order is delivered.
    pub fn delivered(&mut self, run: usize, task: T) {
        self.put(run, if self.rules.delivers_in_order { State::Waiting(task) } else { State::Spent(task) });
    }

    /// What has an order is delivered.
    pub fn delivered_in_order(&mut self, run: usize, task: T) {
        self.put(run, State::Spent(task));
    }

    /// A result of a run that is being delivered went to an I/O thread.
    pub fn store_started(&mut self, run: usize) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.run == run) {
            flight.stores_pending += 1;
        }
    }

    /// A result came back from an I/O thread.
    pub fn stored(&mut self, run: usize) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.run == run) {
            flight.stores_pending -= 1;
        }
        self.retire_run(run);
    }

    /// Gives up `run` and all later ones; earlier ones are finished. Of several errors the one of the lowest run stays.
    /// Whether this is the lowest so far.
    pub fn fail(&mut self, run: usize, error: E) -> bool {
        let is_lowest = self.failed.as_ref().is_none_or(|(failed, _)| run < *failed);
        if is_lowest {
            self.failed = Some((run, error));
        }
        is_lowest
    }

    /// Whether nothing is under way any more. To be asked when there is nothing to do.
    pub fn is_over(&self) -> bool {
        self.flights.is_empty() && self.lanes_running == 0
    }

    /// Runs that hold nothing any more.
    pub fn runs_done(&self) -> usize {
        self.runs_done
    }

    /// The error of the lowest run that failed.
    pub fn outcome(self) -> Result<(), E> {
        self.failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Whether nothing more is done for `run`.
    pub fn is_given_up(&self, run: usize) -> bool {
        self.failed.as_ref().is_some_and(|(failed, _)| run >= *failed)
    }

    /// Takes a run back from who had it.
    fn put(&mut self, run: usize, state: State<T>) {
        let flight = self.flights.iter_mut().find(|flight| flight.run == run);
        debug_assert!(matches!(flight, Some(Flight { state: State::Out, .. })), "run {run} was with nobody");
        if let Some(flight) = flight {
            flight.state = state;
        }
    }

    fn retire_run(&mut self, run: usize) {
        if let Some(place) = self.flights.iter().position(|flight| flight.run == run) {
            self.retire(place);
        }
    }

    /// Ends a run that holds nothing any more.
    fn retire(&mut self, place: usize) {
        if matches!(self.flights[place], Flight { state: State::Storing, stores_pending: 0, .. }) {
            self.flights.swap_remove(place);
            self.runs_done += 1;
        }
    }
}

/// How many events a stage has under way at most; with room for them no thread ever waits for the scheduler.
pub(super) fn events_max(threads: usize, workers: usize, in_flight: usize, writes: usize) -> usize {
    // Per run in flight: one answer to a fetch or a computation, and one per store. Besides, ends of lanes that the scheduler has not heard
    // of. When the first of them was sent, the other lanes were there, on a thread or among `workers` that wait for one, or were started
    // since, each for a run whose answer comes after that first end: a run in flight.
    in_flight * (2 + writes) + threads + workers
}
