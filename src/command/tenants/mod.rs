//! The administrator's commands for tenants and their keys.

pub mod create_key;
pub mod create_tenant;
pub mod delete_tenant;
pub mod revoke_key;
pub mod set_limits;
pub mod set_settings;
