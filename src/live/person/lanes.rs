//! What one user has by channel, besides the conversations held.

use super::Register;
use crate::domain::{Channel, PerChannel, Time};
use crate::live::claim::Stamp;

/// The switch and the floor of one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lane {
    /// True if the user has the channel switched on.
    pub toggle: Register<bool>,
    /// The stamp of the newest `slots.synced`. Takes before it do not hold; those it named were renewed by it.
    pub floor: Stamp,
}

impl Lane {
    const INITIAL: Lane = Lane { toggle: Register::initial(true), floor: Stamp::NEVER };
}

/// The lanes of all channels. They take no memory until one is set.
#[derive(Clone, Debug, Default)]
pub struct Lanes(Option<Box<PerChannel<Lane>>>);

impl Lanes {
    /// The lane of a channel.
    pub fn of(&self, channel: Channel) -> Lane {
        self.0.as_ref().map_or(Lane::INITIAL, |lanes| lanes[channel])
    }

    /// Mutable access to the lane of a channel.
    pub fn of_mut(&mut self, channel: Channel) -> &mut Lane {
        &mut self.0.get_or_insert_with(|| Box::new(PerChannel([Lane::INITIAL; 4])))[channel]
    }

    /// Iterates over all channels.
    pub fn iter(&self) -> impl Iterator<Item = (Channel, Lane)> {
        Channel::ALL.into_iter().map(|channel| (channel, self.of(channel)))
    }

    /// The newest time of a switch or a floor.
    pub fn newest(&self) -> Time {
        self.iter().map(|(_, lane)| lane.toggle.at.max(lane.floor.time)).max().unwrap_or(Time::NEVER)
    }

    /// Bytes that the lanes occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |lanes| size_of_val(&**lanes))
    }
}

impl PartialEq for Lanes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_were_never_set_take_no_memory_and_equal_those_set_back() {
        let mut lanes = Lanes::default();
        let (unset, before) = (lanes.clone(), lanes.of(Channel::Call));
        assert_eq!((before, lanes.heap_bytes(), lanes.newest()), (Lane::INITIAL, 0, Time::NEVER));
        let time = Time::from_micros(7);
        lanes.of_mut(Channel::Call).toggle.set(false, time);
        assert_ne!(lanes, unset);
        assert_eq!((lanes.of(Channel::Call).toggle.value, lanes.newest()), (false, time));
        assert_eq!((lanes.of(Channel::Chat), unset.of(Channel::Call)), (Lane::INITIAL, before));
        *lanes.of_mut(Channel::Call) = before;
        assert_eq!(lanes, unset);
    }
}
