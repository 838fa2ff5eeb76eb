//! Every order in which things can happen in small stages, tried one by one.
//!
//! The scheduler's state ([`Flights`]) and what lanes share ([`Ready`]) are the real ones; threads, channels and files are stood in for
//! by a [`World`] in which everything that may happen next is a step. From every world all steps are taken, and no world twice. Where a
//! step is one lock held, one message sent or received, nothing that threads can do to each other is left out. What a relaxed load of the
//! failed run may miss is a choice too: who could know that a run is given up may as well not know it.
//!
//! What is checked is listed at [`World::check`], [`World::check_end`] and where a step is taken.

use crate::run::{
    flights::{Flights, Next, Rules, events_max},
    ready::Ready,
};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

/// Commands that wait at most: the fewer, the more the scheduler has to wait for I/O threads.
const COMMANDS_MAX: usize = 1;
const IO_THREADS: usize = 2;
/// The error of a cancelled stage; all others are the number of the run that failed.
const CANCELLED: usize = usize::MAX;

/// A stage, and what may go wrong in it.
#[derive(Clone, Copy, Debug, Default)]
struct Stage {
    runs: usize,
    in_flight: usize,
    workers: usize,
    /// Compute threads; lanes that ended may not have said so, so there can be more than workers.
    threads: usize,
    /// Whether inputs are copied by I/O threads.
    fetched: bool,
    computes_in_order: bool,
    delivers_in_order: bool,
    /// Results of a run for I/O threads, without and with an order.
    stores: [usize; 2],
    /// Runs that an earlier job finished, as bits.
    finished: u32,
    /// Runs that may fail, each wherever it is.
    failures: usize,
    /// Whether the stage may be cancelled.
    cancels: bool,
}

/// What travels with a run.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Task(usize);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Command {
    Fetch(Task),
    Store(usize),
}

/// How something went: well, badly, or not at all because the run was given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Went {
    Well,
    Badly,
    Nowhere,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Event {
    Fetched(Task, Went),
    Computed(Task, Went),
    Idle,
    Stored(usize, Went),
}

/// Where the scheduler is in its loop.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Scheduler {
    /// Asks what to do next.
    Asks,
    /// Hands over a fetch.
    Fetches(Task),
    /// Hands over stores of a run, of those with an order or the others, and has so many left.
    Delivers(Task, bool, usize),
    /// Waits for an event.
    Listens,
    Ended,
}

/// Where a task of the pool is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Lane {
    /// Took a machine, looks for a run.
    Looks,
    Computes(Task),
    /// Found nothing and gave its machine back.
    Retires,
    /// No other thread counts it any more, and the scheduler does not know.
    Ends,
}

/// How far a run came.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Course {
    /// The task is not given back.
    task_out: bool,
    computed: bool,
    delivered: bool,
    delivered_in_order: bool,
    stores_out: usize,
    stores_done: usize,
    taken_back: bool,
    failed: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    flights: Flights<Task, usize>,
    ready: Ready<Task>,
    scheduler: Scheduler,
    commands: VecDeque<Command>,
    /// What each I/O thread has in hand.
    io: Vec<Command>,
    events: VecDeque<Event>,
    /// Lanes that no thread of the pool has begun.
    spawned: usize,
    lanes: Vec<Lane>,
    courses: Vec<Course>,
    next_computed: usize,
    next_delivered: usize,
    failures_left: usize,
    cancelled: bool,
}

impl World {
    fn new(stage: &Stage) -> Self {
        let Stage { in_flight, computes_in_order, delivers_in_order, .. } = *stage;
        World {
            flights: Flights::new(0..stage.runs, Rules { in_flight, computes_in_order, delivers_in_order }),
            ready: Ready::new(stage.workers),
            scheduler: Scheduler::Asks,
            commands: VecDeque::new(),
            io: Vec::new(),
            events: VecDeque::new(),
            spawned: 0,
            lanes: Vec::new(),
            courses: vec![Course::default(); stage.runs],
            next_computed: 0,
            next_delivered: 0,
            failures_left: stage.failures,
            cancelled: false,
        }
    }

    /// Every world that may come next.
    fn steps(&self, stage: &Stage) -> Vec<World> {
        let mut after = Vec::new();
        self.scheduler_steps(stage, &mut after);
        if self.io.len() < IO_THREADS && !self.commands.is_empty() {
            after.push(self.with(|world| {
                let command = world.commands.pop_front().unwrap();
                world.io.push(command);
                world.io.sort();
            }));
        }
        for place in 0..self.io.len() {
            self.io_steps(place, &mut after);
        }
        if self.spawned > 0 && self.lanes.len() < stage.threads {
            after.push(self.with(|world| {
                world.spawned -= 1;
                world.lanes.push(Lane::Looks);
            }));
        }
        for place in 0..self.lanes.len() {
            self.lane_steps(stage, place, &mut after);
        }
        if stage.cancels && !self.cancelled && self.scheduler != Scheduler::Ended {
            after.push(self.with(|world| world.cancelled = true));
        }
        after
    }

    fn with(&self, change: impl FnOnce(&mut World)) -> World {
        let mut world = self.clone();
        change(&mut world);
        world.lanes.sort();
        world
    }

    /// How something that is done for a run may go.
    fn ways(&self, run: usize) -> Vec<Went> {
        let mut ways = vec![Went::Well];
        if self.failures_left > 0 && !self.courses[run].failed {
            ways.push(Went::Badly);
        }
        if self.flights.is_given_up(run) || self.cancelled {
            ways.push(Went::Nowhere);
        }
        ways
    }

    /// One of [`World::ways`], taken down.
    fn goes(&mut self, run: usize, went: Went) -> Went {
        if went == Went::Badly {
            self.failures_left -= 1;
            self.courses[run].failed = true;
        }
        went
    }

    /// What the scheduler does with how something went.
    fn note(&mut self, run: usize, went: Went) {
        match went {
            Went::Well => {}
            Went::Badly => drop(self.flights.fail(run, run)),
            Went::Nowhere => drop(self.flights.fail(run, CANCELLED)),
        }
    }

    fn scheduler_steps(&self, stage: &Stage, after: &mut Vec<World>) {
        match &self.scheduler {
            Scheduler::Asks => after.push(self.with(|world| while world.asks_alone(stage) {})),
            Scheduler::Fetches(task) => {
                if self.commands.len() < COMMANDS_MAX {
                    after.push(self.with(|world| {
                        world.commands.push_back(Command::Fetch(task.clone()));
                        world.scheduler = Scheduler::Asks;
                    }));
                }
            }
            Scheduler::Delivers(task, in_order, left) => self.delivery_steps((task, *in_order, *left), after),
            Scheduler::Listens => {
                if !self.events.is_empty() {
                    after.push(self.with(World::hear));
                } else if self.cancelled && !self.flights.is_given_up(0) {
                    after.push(self.with(World::tick));
                }
            }
            Scheduler::Ended => {}
        }
    }

    /// The scheduler asks what to do, and does it. Whether it will ask again before another thread can tell.
    fn asks_alone(&mut self, stage: &Stage) -> bool {
        match self.flights.next() {
            Some(Next::Begin(run)) => {
                self.begin(stage, run);
                return self.scheduler == Scheduler::Asks;
            }
            Some(Next::Compute(task)) => {
                assert!(!self.courses[task.0].computed && !self.flights.is_given_up(task.0), "run {} is computed in vain", task.0);
                if self.ready.push(task) {
                    self.flights.lane_started();
                    self.spawned += 1;
                }
            }
            Some(Next::Deliver(task)) => {
                assert!(!std::mem::replace(&mut self.courses[task.0].delivered, true), "run {} is delivered twice", task.0);
                self.scheduler = Scheduler::Delivers(task, false, stage.stores[0]);
            }
            Some(Next::DeliverInOrder(task)) => {
                assert!(!std::mem::replace(&mut self.courses[task.0].delivered_in_order, true), "run {} is delivered twice", task.0);
                assert_eq!(task.0, self.next_delivered, "a run is delivered when it is not its turn");
                self.next_delivered += 1;
                self.scheduler = Scheduler::Delivers(task, true, stage.stores[1]);
            }
            Some(Next::TakeBack(Task(run))) => {
                let course = &mut self.courses[run];
                assert!(course.task_out && !course.taken_back, "run {run} is given back twice");
                (course.task_out, course.taken_back) = (false, true);
                return true;
            }
            None => self.scheduler = if self.flights.is_over() { Scheduler::Ended } else { Scheduler::Listens },
        }
        false
    }

    fn begin(&mut self, stage: &Stage, run: usize) {
        let course = &mut self.courses[run];
        assert!(!course.task_out && !course.taken_back, "run {run} begins twice");
        if stage.finished & (1 << run) != 0 {
            course.taken_back = true;
            return self.flights.left_out(run);
        }
        course.task_out = true;
        if stage.fetched {
            self.scheduler = Scheduler::Fetches(Task(run));
        } else {
            self.flights.fetched(run, Task(run));
        }
    }

    /// The scheduler merges and copies, or hands over one result, or fails at it.
    fn delivery_steps(&self, (task, in_order, left): (&Task, bool, usize), after: &mut Vec<World>) {
        let run = task.0;
        let ends = |world: &mut World, went| {
            let went = world.goes(run, went);
            world.note(run, went);
            world.scheduler = Scheduler::Asks;
            match in_order {
                true => world.flights.delivered_in_order(run, task.clone()),
                false => world.flights.delivered(run, task.clone()),
            }
        };
        if self.failures_left > 0 && !self.courses[run].failed {
            after.push(self.with(|world| ends(world, Went::Badly)));
        }
        if left == 0 {
            after.push(self.with(|world| ends(world, Went::Well)));
        } else if self.commands.len() < COMMANDS_MAX {
            after.push(self.with(|world| {
                world.commands.push_back(Command::Store(run));
                world.courses[run].stores_out += 1;
                world.flights.store_started(run);
                world.scheduler = Scheduler::Delivers(task.clone(), in_order, left - 1);
            }));
        }
    }

    /// The scheduler takes an event.
    fn hear(&mut self) {
        match self.events.pop_front().unwrap() {
            Event::Idle => self.flights.lane_ended(),
            Event::Fetched(task, went) => {
                self.note(task.0, went);
                self.flights.fetched(task.0, task);
            }
            Event::Computed(task, went) => {
                self.note(task.0, went);
                self.courses[task.0].computed = true;
                self.flights.computed(task.0, task);
            }
            Event::Stored(run, went) => {
                self.courses[run].stores_out -= 1;
                self.courses[run].stores_done += usize::from(went == Went::Well);
                self.note(run, went);
                self.flights.stored(run);
            }
        }
        self.tick();
    }

    /// The scheduler looks up from the work.
    fn tick(&mut self) {
        if self.cancelled {
            self.flights.fail(0, CANCELLED);
        }
        self.scheduler = Scheduler::Asks;
    }

    fn io_steps(&self, place: usize, after: &mut Vec<World>) {
        let run = match &self.io[place] {
            Command::Fetch(task) => task.0,
            Command::Store(run) => *run,
        };
        for went in self.ways(run) {
            after.push(self.with(|world| {
                let went = world.goes(run, went);
                world.events.push_back(match world.io.remove(place) {
                    Command::Fetch(task) => Event::Fetched(task, went),
                    Command::Store(run) => Event::Stored(run, went),
                });
            }));
        }
    }

    /// What `Lanes::work` does, step by step.
    fn lane_steps(&self, stage: &Stage, place: usize, after: &mut Vec<World>) {
        match &self.lanes[place] {
            Lane::Looks => after.push(self.with(|world| {
                world.lanes[place] = world.ready.pop().map_or(Lane::Retires, Lane::Computes);
                if let (Lane::Computes(task), true) = (&world.lanes[place], stage.computes_in_order) {
                    assert_eq!(task.0, world.next_computed, "a run is computed when it is not its turn");
                    world.next_computed += 1;
                }
            })),
            Lane::Computes(task) => {
                for went in self.ways(task.0) {
                    after.push(self.with(|world| {
                        let went = world.goes(task.0, went);
                        world.lanes[place] = Lane::Looks;
                        world.events.push_back(Event::Computed(task.clone(), went));
                    }));
                }
            }
            Lane::Retires => after.push(self.with(|world| {
                world.lanes[place] = if world.ready.ends() { Lane::Ends } else { Lane::Looks };
            })),
            Lane::Ends => after.push(self.with(|world| {
                world.lanes.remove(place);
                world.events.push_back(Event::Idle);
            })),
        }
    }

    /// What holds at any time.
    fn check(&self, stage: &Stage) {
        let holding = self.courses.iter().filter(|course| course.task_out || course.stores_out > 0).count();
        assert!(holding <= stage.in_flight, "{holding} runs hold something");
        let lanes = self.spawned + self.lanes.iter().filter(|lane| **lane != Lane::Ends).count();
        assert!(lanes <= stage.workers, "{lanes} lanes");
        let seeking = self.spawned + self.lanes.iter().filter(|lane| matches!(lane, Lane::Looks | Lane::Retires)).count();
        assert!(lanes == stage.workers || self.ready.waiting() <= seeking, "a run waits for no lane, and there could be another one");
        let room = events_max(stage.threads, stage.workers, stage.in_flight, stage.stores.iter().sum());
        assert!(self.events.len() <= room, "{} events, room for {room}", self.events.len());
    }

    /// What holds when the loop ends.
    fn check_end(&self, stage: &Stage) {
        let quiet = self.commands.is_empty() && self.io.is_empty() && self.events.is_empty();
        assert!(quiet && self.spawned == 0 && self.lanes.is_empty(), "something is still under way");
        assert!(self.courses.iter().all(|course| !course.task_out && course.stores_out == 0), "something was not given back");
        let whole = |(run, course): (usize, &Course)| {
            let delivered = course.computed && course.delivered && course.delivered_in_order == stage.delivers_in_order;
            let stored = course.stores_done == stage.stores.iter().sum::<usize>();
            stage.finished & (1 << run) != 0 || (delivered && stored && !course.failed && course.taken_back)
        };
        match self.flights.clone().outcome() {
            Ok(()) => {
                assert!(self.courses.iter().enumerate().all(whole), "a run was left undone");
                assert_eq!(self.flights.runs_done(), stage.runs);
            }
            Err(CANCELLED) => assert!(self.cancelled, "nobody cancelled"),
            // Whatever runs would fail, and whatever came first: this error and no other.
            Err(failed) => {
                assert!(self.courses[failed].failed, "run {failed} did not fail");
                assert!(self.courses.iter().enumerate().take(failed).all(whole), "a run before the failed one was left undone");
            }
        }
    }

    /// Two hashes, of which two worlds do not share both.
    fn fingerprint(&self) -> u128 {
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            self.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        (hash(1) << 64) | hash(2)
    }
}

/// Takes every step from every world, and counts worlds. An end is reached from all of them: there is no step back, and no world without
/// a step but the ends.
fn explore(stage: &Stage) -> usize {
    enum Visit {
        Enter(Box<World>),
        Leave(u128),
    }
    // Whether all that comes after a world was seen.
    let mut seen: HashMap<u128, bool> = HashMap::new();
    let mut visits = vec![Visit::Enter(Box::new(World::new(stage)))];
    while let Some(visit) = visits.pop() {
        let world = match visit {
            Visit::Enter(world) => world,
            Visit::Leave(print) => {
                seen.insert(print, true);
                continue;
            }
        };
        let print = world.fingerprint();
        match seen.entry(print) {
            Entry::Occupied(entry) => {
                assert!(*entry.get(), "{stage:?} goes in circles");
                continue;
            }
            Entry::Vacant(entry) => drop(entry.insert(false)),
        }
        world.check(stage);
        let after = world.steps(stage);
        if world.scheduler == Scheduler::Ended {
            world.check_end(stage);
        } else {
            assert!(!after.is_empty(), "{stage:?} is stuck: the scheduler {:?}, lanes {:?}", world.scheduler, world.lanes);
        }
        visits.push(Visit::Leave(print));
        visits.extend(after.into_iter().map(|world| Visit::Enter(Box::new(world))));
    }
    seen.len()
}

/// Everything that can be asked of the order of stages with so many runs, of which so many are in flight. `trouble` is how many runs may
/// fail, and whether all may be cancelled.
fn explore_all(runs: usize, in_flight: usize, trouble: (usize, bool), stores: &[[usize; 2]]) {
    let (mut worlds, mut stages, begun) = (0, 0, std::time::Instant::now());
    let mut try_it = |stage: Stage| {
        worlds += explore(&stage);
        stages += 1;
    };
    let pools = [(1, 1), (1, 2), (2, 2)].into_iter().filter(|(workers, _)| *workers <= in_flight);
    for ((workers, threads), fetched) in pools.flat_map(|pool| [(pool, false), (pool, true)]) {
        for &stores in stores {
            let (failures, cancels) = trouble;
            let stage = Stage { runs, in_flight, workers, threads, fetched, stores, failures, cancels, ..Stage::default() };
            try_it(Stage { delivers_in_order: true, ..stage });
            if stores[1] == 0 {
                try_it(stage);
                try_it(Stage { finished: 0b01011, ..stage });
            }
            // The plan gives such stages one worker.
            if workers == 1 {
                try_it(Stage { computes_in_order: true, delivers_in_order: true, ..stage });
            }
            if workers == 1 && stores[1] == 0 {
                try_it(Stage { computes_in_order: true, ..stage });
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{runs} runs, {in_flight} in flight, trouble {trouble:?}, stores {stores:?}: {worlds} worlds of {stages} stages in {seconds:.1} s"
    );
}

#[test]
fn small_stages_in_every_order() {
    for in_flight in 1..=3 {
        explore_all(3, in_flight, (1, false), &[[0, 0]]);
    }
    explore_all(2, 2, (1, true), &[[1, 0], [0, 1]]);
    explore_all(3, 2, (0, false), &[[1, 0], [0, 1]]);
}

/// `cargo test --release --lib larger_stages -- --ignored --nocapture`
#[test]
#[ignore = "tens of millions of worlds take minutes, and up to 2 GB"]
fn larger_stages_in_every_order() {
    for in_flight in 1..=3 {
        explore_all(5, in_flight, (2, false), &[[0, 0]]);
        explore_all(3, in_flight, (2, true), &[[0, 0], [1, 0], [0, 1]]);
    }
    explore_all(3, 2, (2, false), &[[1, 1], [2, 0]]);
    explore_all(4, 2, (2, false), &[[1, 0], [0, 1]]);
    explore_all(4, 3, (1, false), &[[1, 0]]);
}
