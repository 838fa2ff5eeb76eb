//! Vectors of states with exactly the capacity they need, so that the memory proof can count them.

/// A vector of `count` default values without spare capacity.
pub(super) fn reserved<T: Clone + Default>(count: usize) -> Vec<T> {
    vec![T::default(); count]
}

/// `to[i] = add(to[i], of[i])` for states that merge plane by plane.
pub(super) fn add_each<T: Copy>(to: &mut [T], of: &[T], add: impl Fn(T, T) -> T) {
    for (to, of) in to.iter_mut().zip(of) {
        *to = add(*to, *of);
    }
}

/// Bytes a vector holds on the heap.
#[cfg(test)]
pub(super) fn held_bytes<T>(vector: &Vec<T>) -> u64 {
    (vector.capacity() * size_of::<T>()) as u64
}
