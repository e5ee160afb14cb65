//! Domain types shared by every other module. Pure: no I/O, no clock, and no dependency on another module of the crate.

pub mod board;
pub mod channel;
pub mod conversation;
pub mod directory;
pub mod event;
pub mod fault;
pub mod filter;
pub mod ids;
pub mod json;
pub mod presence;
pub mod profile;
pub mod role;
pub mod scope;
pub mod settings;
pub mod status;
pub mod text;
pub mod time;

pub use channel::{Channel, PerChannel};
pub use conversation::{Conversation, ConversationId};
pub use event::{Entry, Event, EventBody, EventId, Outcome};
pub use fault::Fault;
pub use filter::Filter;
pub use ids::{EntityRef, TenantId, UserRef};
pub use presence::Category;
pub use profile::{PackedProfile, Profile};
pub use role::{Role, RoleGrant, Roles};
pub use scope::{Scope, Scopes};
pub use settings::Settings;
pub use settings::limits::{Quota, Quotas};
pub use status::{AgentActivity, Reason, Status};
pub use time::Time;
