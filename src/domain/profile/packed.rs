//! Profiles as the state keeps them: one short list of bytes for all texts and lists of a user
//! (docs/decisions/0131-memory-of-a-user.md).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{CallConfig, ChannelConf, Channels, Profile, PublicProfile};
use crate::domain::channel::PerChannel;
use crate::domain::role::Roles;
use crate::domain::settings::capacity::Sizes;

/// A member of a profile that is kept only if it is set, in the order in which they are kept.
#[derive(Clone, Copy, Debug)]
enum Member {
    Name,
    ExternalId,
    Email,
    FirstName,
    Groups,
    PrimaryGroup,
    Skills,
    Projects,
    Queues,
    Campaigns,
    RoutingGroups,
    Pseudo,
    LanguageAdmin,
    SsoKey,
    Experience,
    Satisfaction,
    LanguageList,
    CallConfig,
    PublicProfile,
}

/// The settings of a channel, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PackedChannel {
    max_slots: u16,
    priority: u8,
    enabled: bool,
}

/// A profile in about a quarter of the memory of a [`Profile`]: members that are not set take none, and the others lie
/// one after the other. Reading a member passes over those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedProfile {
    /// Integer id.
    pub id: i64,
    /// GUID, equivalent to the integer id in references.
    pub guid: Uuid,
    channels: PerChannel<PackedChannel>,
    /// A bit for each [`Member`] that is set.
    members: u32,
    /// Sizes of the user's interactions, where they are not the tenant's.
    pub capacity: Sizes,
    /// Roles in the vendor's administration.
    pub roles: Roles,
    /// True if the user may chat and call at the same time.
    pub chat_and_call: bool,
    /// True if the user may turn a chat into a video call.
    pub chat_to_video: bool,
    /// The members that are set, each after its length.
    bytes: Box<[u8]>,
}

impl PackedProfile {
    /// The customer's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.text(Member::ExternalId)
    }

    /// Last name or full name.
    pub fn name(&self) -> &str {
        self.text(Member::Name).unwrap_or_default()
    }

    /// First name, if kept apart from the name.
    pub fn first_name(&self) -> Option<&str> {
        self.text(Member::FirstName)
    }

    /// Name that visitors see.
    pub fn pseudo(&self) -> Option<&str> {
        self.text(Member::Pseudo)
    }

    /// E-mail address.
    pub fn email(&self) -> Option<&str> {
        self.text(Member::Email)
    }

    /// The single group that the vendor's REST API shows.
    pub fn primary_group(&self) -> Option<i64> {
        self.ids(Member::PrimaryGroup).next()
    }

    /// Groups, by integer id, ascending.
    pub fn groups(&self) -> Ids<'_> {
        self.ids(Member::Groups)
    }

    /// Skills, by integer id, ascending.
    pub fn skills(&self) -> Ids<'_> {
        self.ids(Member::Skills)
    }

    /// Projects, by integer id, ascending.
    pub fn projects(&self) -> Ids<'_> {
        self.ids(Member::Projects)
    }

    /// Queues, by integer id, ascending.
    pub fn queues(&self) -> Ids<'_> {
        self.ids(Member::Queues)
    }

    /// Campaigns, by integer id, ascending.
    pub fn campaigns(&self) -> Ids<'_> {
        self.ids(Member::Campaigns)
    }

    /// Routing groups, by GUID, ascending.
    pub fn routing_groups(&self) -> impl Iterator<Item = Uuid> {
        let guids = self.bytes_of(Member::RoutingGroups).unwrap_or_default().as_chunks().0;
        guids.iter().map(|guid| Uuid::from_bytes(*guid))
    }

    /// Settings of every channel.
    pub fn channels(&self) -> Channels {
        let [chat, call, video, third_party] = self.channels.0.map(|packed| ChannelConf {
            enabled: packed.enabled,
            max_slots: packed.max_slots.into(),
            priority: packed.priority,
        });
        Channels { chat, call, video, third_party }
    }

    /// Languages spoken, as ISO 639-1 codes.
    pub fn language_list(&self) -> Vec<String> {
        self.json(Member::LanguageList).unwrap_or_default()
    }

    /// Language of the administration pages.
    pub fn language_admin(&self) -> Option<&str> {
        self.text(Member::LanguageAdmin)
    }

    /// Key for single sign-on.
    pub fn sso_key(&self) -> Option<&str> {
        self.text(Member::SsoKey)
    }

    /// Call settings, if any were set.
    pub fn call_config(&self) -> Option<CallConfig> {
        self.json(Member::CallConfig)
    }

    /// Experience points.
    pub fn experience(&self) -> Option<i64> {
        self.ids(Member::Experience).next()
    }

    /// Average satisfaction, a ratio from 0 to 1.
    pub fn satisfaction(&self) -> Option<f64> {
        let bytes = self.bytes_of(Member::Satisfaction)?;
        Some(f64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Public profile, if one was set.
    pub fn profile(&self) -> Option<PublicProfile> {
        self.json(Member::PublicProfile)
    }

    /// Returns true if the user has at least one queue or campaign.
    pub const fn is_assigned(&self) -> bool {
        // A list is kept only if it has elements.
        self.members & (1 << Member::Queues as u32 | 1 << Member::Campaigns as u32) != 0
    }

    /// Returns the profile with its members apart, to change or to serialize it.
    pub fn unpack(&self) -> Profile {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Profile {
            id: self.id,
            guid: self.guid,
            external_id: owned(self.external_id()),
            name: self.name().to_owned(),
            first_name: owned(self.first_name()),
            pseudo: owned(self.pseudo()),
            email: owned(self.email()),
            roles: self.roles,
            primary_group: self.primary_group(),
            groups: self.groups().collect(),
            skills: self.skills().collect(),
            projects: self.projects().collect(),
            queues: self.queues().collect(),
            campaigns: self.campaigns().collect(),
            routing_groups: self.routing_groups().collect(),
            channels: self.channels(),
            chat_and_call: self.chat_and_call,
            capacity: self.capacity,
            chat_to_video: self.chat_to_video,
            language_list: self.language_list(),
            language_admin: owned(self.language_admin()),
            sso_key: owned(self.sso_key()),
            call_config: self.call_config(),
            experience: self.experience(),
            satisfaction: self.satisfaction(),
            profile: self.profile(),
        }
    }

    /// Bytes that the profile occupies behind an `Arc`.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.bytes.len()
    }

    fn bytes_of(&self, member: Member) -> Option<&[u8]> {
        let bit = 1 << member as u32;
        if self.members & bit == 0 {
            return None;
        }
        let mut rest = &*self.bytes;
        for _ in 0..(self.members & (bit - 1)).count_ones() {
            let length = take_number(&mut rest)? as usize;
            rest = rest.get(length..)?;
        }
        let length = take_number(&mut rest)? as usize;
        rest.get(..length)
    }

    fn text(&self, member: Member) -> Option<&str> {
        // Written from a text.
        self.bytes_of(member).map(|bytes| std::str::from_utf8(bytes).unwrap_or_default())
    }

    fn ids(&self, member: Member) -> Ids<'_> {
        Ids { bytes: self.bytes_of(member).unwrap_or_default(), last: 0 }
    }

    fn json<'p, T: Deserialize<'p>>(&'p self, member: Member) -> Option<T> {
        // Written from a value of the same type.
        serde_json::from_slice(self.bytes_of(member)?).ok()
    }
}

/// Iterates over the integer ids of one list, in its order.
#[derive(Clone, Debug)]
pub struct Ids<'p> {
    bytes: &'p [u8],
    last: i64,
}

impl Iterator for Ids<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        // Each id is its difference to the one before, which is small in an ascending list.
        let number = take_number(&mut self.bytes)?;
        let difference = (number >> 1) as i64 ^ -((number & 1) as i64);
        self.last = self.last.wrapping_add(difference);
        Some(self.last)
    }
}

/// Collects the members of a profile that are set.
#[derive(Default)]
struct Packer {
    members: u32,
    bytes: Vec<u8>,
}

impl Packer {
    /// Adds a member. They must be added in the order of [`Member`].
    fn add(&mut self, member: Member, bytes: &[u8]) {
        let bit = 1 << member as u32;
        debug_assert!(self.members < bit, "{member:?} is out of order");
        self.members |= bit;
        put_number(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, member: Member, text: Option<&String>) {
        if let Some(text) = text {
            self.add(member, text.as_bytes());
        }
    }

    fn ids(&mut self, member: Member, ids: &[i64]) {
        let (mut bytes, mut last) = (Vec::new(), 0i64);
        for id in ids {
            let difference = id.wrapping_sub(last);
            put_number(&mut bytes, (difference << 1 ^ difference >> 63) as u64);
            last = *id;
        }
        if !bytes.is_empty() {
            self.add(member, &bytes);
        }
    }

    /// Adds a member that few users have.
    fn json<T: Serialize>(&mut self, member: Member, value: Option<&T>) {
        // Serialization of these plain types cannot fail.
        if let Some(Ok(json)) = value.map(serde_json::to_vec) {
            self.add(member, &json);
        }
    }
}

impl From<&Profile> for PackedProfile {
    fn from(profile: &Profile) -> Self {
        let mut packer = Packer::default();
        packer.text(Member::Name, Some(&profile.name));
        packer.text(Member::ExternalId, profile.external_id.as_ref());
        packer.text(Member::Email, profile.email.as_ref());
        packer.text(Member::FirstName, profile.first_name.as_ref());
        packer.ids(Member::Groups, &profile.groups);
        packer.ids(Member::PrimaryGroup, profile.primary_group.as_slice());
        packer.ids(Member::Skills, &profile.skills);
        packer.ids(Member::Projects, &profile.projects);
        packer.ids(Member::Queues, &profile.queues);
        packer.ids(Member::Campaigns, &profile.campaigns);
        if !profile.routing_groups.is_empty() {
            let guids: Vec<_> = profile.routing_groups.iter().map(|guid| *guid.as_bytes()).collect();
            packer.add(Member::RoutingGroups, guids.as_flattened());
        }
        packer.text(Member::Pseudo, profile.pseudo.as_ref());
        packer.text(Member::LanguageAdmin, profile.language_admin.as_ref());
        packer.text(Member::SsoKey, profile.sso_key.as_ref());
        packer.ids(Member::Experience, profile.experience.as_slice());
        if let Some(satisfaction) = profile.satisfaction {
            packer.add(Member::Satisfaction, &satisfaction.to_le_bytes());
        }
        packer.json(Member::LanguageList, Some(&profile.language_list).filter(|list| !list.is_empty()));
        packer.json(Member::CallConfig, profile.call_config.as_ref());
        packer.json(Member::PublicProfile, profile.profile.as_ref());
        let conf = profile.channels.per_channel();
        PackedProfile {
            id: profile.id,
            guid: profile.guid,
            channels: PerChannel::from_fn(|channel| {
                let ChannelConf { enabled, max_slots, priority } = conf[channel];
                // A document may name 1,000 at most.
                PackedChannel { max_slots: u16::try_from(max_slots).unwrap_or(u16::MAX), priority, enabled }
            }),
            members: packer.members,
            capacity: profile.capacity,
            roles: profile.roles,
            chat_and_call: profile.chat_and_call,
            chat_to_video: profile.chat_to_video,
            bytes: packer.bytes.into(),
        }
    }
}

impl Serialize for PackedProfile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.unpack().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PackedProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Profile::deserialize(deserializer).map(|profile| PackedProfile::from(&profile))
    }
}

/// Appends a number in as many groups of seven bits as it needs, the lowest first.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a number that [`put_number`] wrote, and advances past it. `None` at the end.
fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::profile::PickUp;
    use crate::domain::role::Role;

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("\\PC{0,200}")
    }

    fn ids() -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::vec(prop_oneof![0..200i64, any::<i64>()], 0..6)
    }

    fn conf() -> impl Strategy<Value = ChannelConf> {
        (any::<bool>(), 0..=1_000u32, any::<u8>()).prop_map(|(enabled, max_slots, priority)| ChannelConf {
            enabled,
            max_slots,
            priority,
        })
    }

    fn profiles() -> impl Strategy<Value = Profile> {
        let texts = (("\\PC{0,40}", text(), text(), text()), (text(), text(), text()));
        let lists = ((ids(), ids(), ids(), ids(), ids()), proptest::collection::vec(any::<u128>(), 0..4));
        let numbers = (any::<i64>(), any::<u128>(), proptest::option::of(any::<i64>()), proptest::option::of(0..9i64));
        let others = (proptest::array::uniform4(conf()), any::<[bool; 4]>(), proptest::option::of(0.0..=1.0f64));
        let rare = (proptest::collection::vec("[a-z]{2}", 0..3), proptest::option::of(1..=100u8));
        (texts, lists, numbers, others, rare).prop_map(
            |(texts, (lists, guids), (id, guid, primary_group, experience), (conf, flags, satisfaction), rare)| {
                let ((name, external_id, email, first_name), (pseudo, sso_key, status)) = texts;
                let [chat, call, video, third_party] = conf;
                let (groups, skills, projects, queues, campaigns) = lists;
                let phone = flags[2].then(|| CallConfig {
                    pick_up: PickUp::AnswerFromPhone,
                    ask_phone_number_at_every_connection: flags[3],
                    phone_number: pseudo.clone(),
                });
                Profile {
                    external_id,
                    email,
                    first_name,
                    pseudo,
                    sso_key,
                    groups,
                    skills,
                    projects,
                    queues,
                    campaigns,
                    primary_group,
                    experience,
                    satisfaction,
                    routing_groups: guids.into_iter().map(Uuid::from_u128).collect(),
                    channels: Channels { chat, call, video, third_party },
                    chat_and_call: flags[0],
                    chat_to_video: flags[1],
                    roles: Role::ALL.into_iter().zip(flags).filter(|(_, on)| *on).map(|(role, _)| role).collect(),
                    language_admin: rare.0.first().cloned(),
                    language_list: rare.0,
                    capacity: Sizes { semi_live: rare.1, ..Sizes::default() },
                    call_config: phone,
                    profile: status.map(|status| PublicProfile { status: Some(status), ..PublicProfile::default() }),
                    ..Profile::new(id, Uuid::from_u128(guid), name)
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_packed_profile_is_the_profile(profile in profiles()) {
            let packed = PackedProfile::from(&profile);
            prop_assert_eq!(&packed.unpack(), &profile);
            prop_assert_eq!(packed.is_assigned(), profile.is_assigned());
            let json = serde_json::to_string(&profile).unwrap();
            prop_assert_eq!(&serde_json::to_string(&packed).unwrap(), &json);
            prop_assert_eq!(serde_json::from_str::<PackedProfile>(&json).unwrap(), PackedProfile::from(&profile));
        }
    }

    #[test]
    fn a_usual_user_takes_less_than_200_bytes() {
        let mut profile = Profile::new(1_234_567, Uuid::from_u128(7), String::from("Agent number 1234567"));
        profile.external_id = Some(String::from("agent-1234567"));
        profile.email = Some(String::from("agent-1234567@example.com"));
        profile.groups = vec![17];
        profile.skills = vec![3, 19, 44];
        profile.projects = vec![2, 9];
        profile.queues = vec![201];
        profile.channels.chat = ChannelConf { enabled: true, max_slots: 1_000, priority: 10 };
        let packed = PackedProfile::from(&profile);
        assert_eq!(packed.unpack(), profile);
        assert_eq!(packed.channels().chat.max_slots, 1_000);
        assert!(packed.heap_bytes() < 200, "{} bytes", packed.heap_bytes());
    }
}
