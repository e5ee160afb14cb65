//! One generated person: the entry in the directory, and the status while measuring.

use rollcall::domain::directory::{ChannelPatch, ChannelsPatch, UserPatch};
use rollcall::domain::json::Field;
use rollcall::domain::settings::capacity::Sizes;
use rollcall::domain::status::{Facts, Lane};
use rollcall::domain::{Category, EntityRef, PerChannel, Role};

/// Groups of the tenant; each person is in one.
pub const GROUPS: u32 = 20;
/// Skills of the tenant; most people have three.
pub const SKILLS: u32 = 50;
/// Projects of the tenant; each person works for one or two.
pub const PROJECTS: u32 = 10;
/// Queues of the tenant; two in three people are in one.
pub const QUEUES: u32 = 8;

/// A person, as a program would store them that counts by a walk over all.
#[derive(Clone, Debug)]
pub struct SyntheticUser {
    /// Integer id, from 1.
    pub id: i64,
    /// Integer ids of groups.
    pub groups: Vec<u32>,
    /// Integer ids of skills.
    pub skills: Vec<u32>,
    /// Integer ids of projects.
    pub projects: Vec<u32>,
    /// Integer ids of queues.
    pub queues: Vec<u32>,
    /// The facts from which a status is decided.
    pub facts: Facts,
}

impl SyntheticUser {
    /// Makes person number `n`, counted from 0. The same `n` always makes the same person.
    pub fn new(n: u32) -> Self {
        let mut dice = Dice(u64::from(n));
        let mut some = |most: u32, of: u32| {
            let mut ids: Vec<u32> = (0..most).map(|_| 1 + dice.below(of)).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (groups, skills, projects) = (some(1, GROUPS), some(3, SKILLS), some(2, PROJECTS));
        let queues = if dice.percent(67) { vec![1 + dice.below(QUEUES)] } else { Vec::new() };
        SyntheticUser { id: i64::from(n) + 1, groups, skills, projects, queues, facts: facts(&mut dice) }
    }

    /// Returns the user of a `PUT /v1/directory` request that creates the person.
    pub fn patch(&self) -> UserPatch {
        let references = |ids: &[u32]| Some(ids.iter().map(|id| EntityRef::Id(i64::from(*id))).collect());
        let channel =
            |lane: &Lane| Some(ChannelPatch { enabled: Some(lane.enabled), max_slots: Some(lane.max), priority: None });
        let [chat, call, video, third_party] = self.facts.lanes.0.each_ref().map(channel);
        UserPatch {
            id: Some(self.id),
            external_id: Field::Set(format!("agent-{}", self.id)),
            name: Some(format!("Agent number {}", self.id)),
            email: Field::Set(format!("agent-{}@example.com", self.id)),
            roles: Some(vec![Role::Operator]),
            groups: references(&self.groups),
            skills: references(&self.skills),
            projects: references(&self.projects),
            queues: references(&self.queues),
            channels: Some(ChannelsPatch { chat, call, video, third_party }),
            chat_and_call: Some(self.facts.chat_and_call),
            ..UserPatch::default()
        }
    }
}

/// Makes the facts of a person: seven in ten are connected, one in ten is away, and one in ten has switched chat off. A
/// connected person holds from no chat to the maximum, and one in five with a telephone holds a call.
fn facts(dice: &mut Dice) -> Facts {
    let connected = dice.percent(70);
    let presence = match dice.below(100) {
        0..7 => Category::Away,
        7..10 => Category::ExtendedAway,
        _ => Category::Ready,
    };
    let max = 1 + dice.below(5);
    let chats = if connected { dice.below(max + 1) } else { 0 };
    let chat = Lane { enabled: dice.percent(95), toggle: !dice.percent(10), current: chats, max };
    let has_phone = dice.percent(50);
    let calls = u32::from(connected && has_phone && dice.percent(20));
    let call = Lane { enabled: has_phone, toggle: true, current: calls, max: 1 };
    let unused = Lane { enabled: false, toggle: true, current: 0, max: 1 };
    let (chat_and_call, lanes) = (dice.percent(50), PerChannel([chat, call, unused, unused]));
    Facts { connected, presence, routable: true, chat_and_call, sizes: Sizes::default(), lanes }
}

/// A pseudo-random number generator (splitmix64), with the same numbers in every run.
pub struct Dice(pub u64);

impl Dice {
    /// Returns a number from 0 to `limit` − 1.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % u64::from(limit)) as u32
    }

    fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }
}
