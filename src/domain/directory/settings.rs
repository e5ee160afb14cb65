//! Settings in the directory: they decide what is counted, so they are part of the tenant's journal, and one view has
//! them together with the users (docs/decisions/0085-settings-in-the-directory.md).

use serde::{Deserialize, Serialize};

use crate::domain::channel::ReferenceChannel;
use crate::domain::json::{self, Field};
use crate::domain::settings::capacity::{Sizes, SizesPatch, patch_sizes};

/// The settings of a directory. Its JSON form has those that are not the default, and is one that `PUT /v1/directory`
/// accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectorySettings {
    /// Channel on which Convoso's agents are available.
    #[serde(skip_serializing_if = "is_default")]
    pub reference_channel: ReferenceChannel,
    /// Sizes of interactions for users without sizes of their own.
    #[serde(skip_serializing_if = "Sizes::is_default")]
    pub capacity: Sizes,
}

impl DirectorySettings {
    /// Returns true if every setting has its default.
    pub fn is_default(&self) -> bool {
        *self == DirectorySettings::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default(channel: &ReferenceChannel) -> bool {
    *channel == ReferenceChannel::default()
}

/// Changes to settings: an absent one stays as it is, `null` is the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectorySettingsPatch {
    /// See [`DirectorySettings::reference_channel`].
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub reference_channel: Field<ReferenceChannel>,
    /// See [`DirectorySettings::capacity`]; an absent size stays as it is.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "json::field")]
    pub capacity: Field<SizesPatch>,
}

impl DirectorySettingsPatch {
    /// Returns true if no setting is named.
    pub fn is_empty(&self) -> bool {
        self.reference_channel.is_absent() && self.capacity.is_absent()
    }

    /// Applies the changes to `settings`.
    pub fn patch(&self, settings: &mut DirectorySettings) {
        match self.reference_channel {
            Field::Absent => {}
            Field::Clear => settings.reference_channel = ReferenceChannel::default(),
            Field::Set(channel) => settings.reference_channel = channel,
        }
        patch_sizes(&self.capacity, &mut settings.capacity);
    }
}
