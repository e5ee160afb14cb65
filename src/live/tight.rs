//! Sorted lists without spare capacity. Most users have one session and one conversation or two, and a million lists with
//! room for four elements each would take more memory than what is in them.

/// Number of elements up to which a list has no spare capacity. Longer ones double, so that many insertions stay cheap.
const SHORT: usize = 16;

/// Inserts an element at `at`.
pub fn insert<T>(list: &mut Vec<T>, at: usize, element: T) {
    if list.len() < SHORT {
        list.reserve_exact(1);
    }
    list.insert(at, element);
}

/// Removes and returns the element at `at`. Returns the memory of a list that is empty then, or has become short.
pub fn remove<T>(list: &mut Vec<T>, at: usize) -> T {
    let element = list.remove(at);
    if list.len() <= SHORT / 2 {
        list.shrink_to_fit();
    }
    element
}

/// Bytes that the list occupies on the heap, without allocations owned by its elements.
pub const fn heap_bytes<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_have_no_spare_capacity() {
        let mut list = Vec::new();
        for n in 0..100u64 {
            insert(&mut list, n as usize / 2, n);
            assert!(list.len() > SHORT || list.capacity() == list.len(), "{} of {}", list.len(), list.capacity());
        }
        assert!(list.capacity() < 200);
        while !list.is_empty() {
            remove(&mut list, 0);
        }
        assert_eq!(heap_bytes(&list), 0);
    }
}
