//! The reasons for which an event is rejected before it is journalled.

use std::fmt;

/// Makes the enum of reasons, with the name and the text of each.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal $text:literal,)*) => {
        /// A reason for which admission rejects an event. The set is closed, and names and texts are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All reasons, in declaration order.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),*];

            /// The name in metrics and logs: lower case, with underscores.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Reason::$variant => $name,)*
                }
            }

            /// The text on the wire.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Reason::$variant => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// Not an object, or without one of the required attributes.
    NotAnEvent "not_an_event" "not an event: id, source, type and time are required, as strings",
    /// Another version of CloudEvents.
    Specversion "specversion" "specversion must be 1.0",
    /// An id that is empty or too long.
    Id "id" "id must be 1 to 128 bytes",
    /// A source that is empty or too long.
    Source "source" "source must be 1 to 256 bytes",
    /// A source of the service's own events.
    ReservedSource "reserved_source" "source must not begin with rollcall:",
    /// A string or a member name with U+0000.
    Nul "nul" "U+0000 is not allowed",
    /// A member given twice, at any depth.
    MemberTwice "member_twice" "a member is given twice",
    /// A name that is nearly that of a known member which is not given.
    Misspelt "misspelt" "a member has a name that is nearly right",
    /// JSON that is skipped without being understood.
    Unreadable "unreadable" "a value is nested too deeply, a number out of range, or half of a surrogate pair",
    /// A time in another form.
    Time "time" "time is not RFC 3339",
    /// A time that no journal can hold.
    TimeRange "time_range" "time is outside the years 1970 to 2999",
    /// A time in the future.
    TimeAhead "time_ahead" "time is more than 5 minutes ahead",
    /// No such type, or an internal one.
    UnknownType "unknown_type" "unknown type",
    /// The type needs a subject.
    SubjectMissing "subject_missing" "subject is missing",
    /// A subject that names no user.
    Subject "subject" "subject must be an id, a GUID or external:<id>",
    /// The type needs data.
    DataMissing "data_missing" "data is missing",
    /// A member of the data is missing or has another type.
    Data "data" "data does not fit the type",
    /// Data in two forms.
    DataTwice "data_twice" "data and data_base64 exclude each other",
    /// Data in Base64 that is not JSON.
    DataBase64 "data_base64" "data_base64 must be JSON in Base64",
    /// A session id that is empty or too long.
    Session "session" "session must be 1 to 128 bytes",
    /// A device name that is empty or too long.
    Device "device" "device must be 1 to 256 bytes",
    /// A lease that is too short or too long.
    LeaseSeconds "lease_seconds" "lease_seconds must be from 5 to 3600",
    /// A change of status that changes nothing.
    StatusEmpty "status_empty" "presence, presence_id or channels is needed",
    /// A take without a channel.
    ChannelMissing "channel_missing" "channel is missing",
    /// A conversation id that is empty or too long.
    Conversation "conversation" "conversation must be 1 to 128 bytes",
    /// A sync that names too many conversations.
    Conversations "conversations" "conversations must have at most 1000 elements",
    /// The id of a conversation with a history.
    ConversationUuid "conversation_uuid" "conversation must be a UUID",
    /// An author that is empty or too long.
    Author "author" "author must be 1 to 256 bytes",
    /// A message that is too long.
    Text "text" "text must be at most 8192 bytes",
    /// A closing reason that is empty or too long.
    ClosingReason "closing_reason" "reason must be 1 to 256 bytes",
    /// An event of a connected desk that is no object with a type.
    DeskEvent "desk_event" "not an event: type is required, and type and time must be strings",
    /// An event of a connected desk with the attributes of another.
    DeskAttributes "desk_attributes" "subject and source must be absent: the desk's own are used",
    /// An event that only the connection itself can report.
    DeskType "desk_type" "desk.* events are made by the connection itself",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::event::Rejection;
    use crate::domain::settings::limits::Quota;

    #[test]
    fn names_and_texts_are_distinct() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        let texts: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.text()).collect();
        assert_eq!((names.len(), texts.len()), (Reason::ALL.len(), Reason::ALL.len()));
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
        let others = [Rejection::UnknownUser, Rejection::limit(Quota::ALL[0], 1), Rejection::Document(Vec::new())];
        assert!(others.iter().all(|rejection| !names.contains(rejection.name())), "of both stages");
    }
}
