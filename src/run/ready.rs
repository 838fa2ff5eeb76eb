//! The runs that are ready, and the number of lanes: all that lanes share. Each function is one step under the lock of [`lanes`](super::lanes).

use std::collections::VecDeque;

/// Runs that wait for a lane.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Ready<T> {
    tasks: VecDeque<T>,
    /// Lanes that were started and may still take a task.
    lanes: usize,
    lanes_max: usize,
}

impl<T> Ready<T> {
    /// Nothing, and no lane yet.
    pub fn new(lanes_max: usize) -> Self {
        Ready { tasks: VecDeque::new(), lanes: 0, lanes_max }
    }

    /// Adds a task. Whether a lane is to be started for it.
    pub fn push(&mut self, task: T) -> bool {
        self.tasks.push_back(task);
        if self.lanes == self.lanes_max {
            return false;
        }
        self.lanes += 1;
        true
    }

    /// The task that waits longest.
    pub fn pop(&mut self) -> Option<T> {
        self.tasks.pop_front()
    }

    /// Asked by a lane that holds nothing any more: whether it ends. If not, something came while it put things away.
    pub fn ends(&mut self) -> bool {
        if !self.tasks.is_empty() {
            return false;
        }
        self.lanes -= 1;
        true
    }

    /// Tasks that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.tasks.len()
    }
}
