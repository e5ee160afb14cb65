//! Flaws of the reference for controls: a comparison that does not detect a broken rule does not test that rule.

/// One broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A full agent with a switched-off channel is busy.
    BusyBeforeToggleOff,
    /// A conversation on one channel does not block the others.
    ConversationsDoNotBlock,
    /// Administration sessions connect the user.
    AdministrationConnects,
    /// Of two statements with equal times the one journalled first wins.
    FirstOfEqualsWins,
    /// The last statement in the journal wins, whatever its time.
    TimesAreIgnored,
    /// A release by any user frees the conversation.
    AnyUserReleases,
    /// A sync ends only takes that were journalled before it.
    SyncHasNoFloor,
    /// A sync does not end the conversations that it does not name.
    SyncOnlyAdds,
    /// A deletion gives conversations back to their earlier holders.
    DeletionRestoresHolders,
    /// A write of a dialect is stale if a desk's clock is ahead.
    DialectsCanBeStale,
    /// Closing all sessions leaves those of desks whose clock is ahead.
    ClosedAllIsStale,
    /// An expiry closes the session at the server's time.
    ExpiryClosesTheSession,
    /// Tombstones are kept for ever.
    NothingIsForgotten,
    /// A late connection does not set that the user was ever logged in.
    LateConnectionsAreNotSeen,
    /// Connections and disconnections do not change the time of a presence.
    DesksDoNotUpdatePresence,
    /// Sessions of the administration change the time of a presence.
    AdministrationUpdatesPresence,
    /// A chosen definition is shown as the category's own.
    DefinitionsAreNotShown,
    /// A conversation that returns to a user counts as handled twice.
    EveryTakeCounts,
    /// A conversation that returns to a user counts twice if its claim was forgotten in between.
    ForgottenTakesCountAgain,
    /// An all-of filter matches users with any of its values.
    AllMatchesAny,
    /// Names are compared with case and spaces.
    NamesAreCaseSensitive,
    /// The primary group does not count as a group.
    PrimaryGroupIsNoGroup,
    /// A user with a switched-off channel is not in production, with conversations or without.
    UnavailableLeavesProduction,
    /// The percentage budget is ignored.
    NoBudget,
    /// Users without a channel are agents.
    EveryoneIsAnAgent,
    /// Users without a queue or campaign can be called.
    AssignmentIsNotNeeded,
    /// Events of conversations neither take nor free slots.
    SlotsDoNotFollow,
    /// Of two closes the later one counts.
    SecondCloseCounts,
    /// A push does not reopen a conversation.
    PushDoesNotReopen,
    /// A start does not reopen a conversation.
    StartDoesNotReopen,
    /// A conversation's creation is the event that was journalled first.
    FirstJournalledIsCreation,
    /// A start does not override the channel and project of an earlier push.
    StartsDoNotOverridePushes,
    /// A contact ends only with the conversation.
    ContactsEndOnlyAtClose,
    /// A push to another user does not end a contact.
    PushesEndNoContact,
    /// Routings after a push count for its contact.
    RoutingAfterThePushCounts,
    /// A routing counts for one push only.
    RoutingCoversOnePush,
    /// A routing with the push's own time counts only if it was journalled before.
    RoutingMustBeJournalledFirst,
    /// An event that is repeated after its id was forgotten happens twice.
    RepeatsHappenAgain,
    /// Late events change conversations that are final.
    FinalConversationsAreAmended,
    /// A conversation is final a day after it closed, whatever events follow.
    AmendingDoesNotDelay,
    /// Conversations that were never started are kept for ever.
    NeverStartedIsKept,
    /// Quotas are ignored.
    QuotasAreIgnored,
    /// The number of tombstones is not bounded.
    TombstonesAreNotBounded,
    /// A late event brings back a forgotten session or slot.
    FloorIsForConversationsOnly,
    /// Forgetting does not raise the floor.
    ForgettingRaisesNoFloor,
    /// A tenant that has forgotten nothing rejects old events.
    FreshTenantsHaveAFloor,
    /// A take that is refused leaves the conversation with its holder.
    RefusedTakesReleaseNoClaim,
    /// A ready presence that is not routable accepts work.
    NotRoutableAcceptsWork,
    /// A presence is as routable as its definition is now.
    RoutableIsNotCopied,
    /// A user's own sizes of interactions are ignored.
    SizesOfUsersAreIgnored,
    /// The tenant's sizes of interactions are ignored.
    SizesOfTenantsAreIgnored,
    /// The reference channel is call, whatever the tenant's settings are.
    TheReferenceIsCall,
    /// A session of the administration does not set that the user was ever logged in.
    AdministrationIsNotSeen,
    /// A log-in with a password does not set that the user was ever logged in.
    LogInsAreNotSeen,
    /// The end of a contact for which the history has no room does not free the slot.
    FullHistoriesKeepSlots,
}

impl Flaw {
    /// All flaws.
    pub const ALL: [Flaw; 55] = [
        Flaw::BusyBeforeToggleOff,
        Flaw::ConversationsDoNotBlock,
        Flaw::AdministrationConnects,
        Flaw::FirstOfEqualsWins,
        Flaw::TimesAreIgnored,
        Flaw::AnyUserReleases,
        Flaw::SyncHasNoFloor,
        Flaw::SyncOnlyAdds,
        Flaw::DeletionRestoresHolders,
        Flaw::DialectsCanBeStale,
        Flaw::ClosedAllIsStale,
        Flaw::ExpiryClosesTheSession,
        Flaw::NothingIsForgotten,
        Flaw::LateConnectionsAreNotSeen,
        Flaw::DesksDoNotUpdatePresence,
        Flaw::AdministrationUpdatesPresence,
        Flaw::DefinitionsAreNotShown,
        Flaw::EveryTakeCounts,
        Flaw::ForgottenTakesCountAgain,
        Flaw::AllMatchesAny,
        Flaw::NamesAreCaseSensitive,
        Flaw::PrimaryGroupIsNoGroup,
        Flaw::UnavailableLeavesProduction,
        Flaw::NoBudget,
        Flaw::EveryoneIsAnAgent,
        Flaw::AssignmentIsNotNeeded,
        Flaw::SlotsDoNotFollow,
        Flaw::SecondCloseCounts,
        Flaw::PushDoesNotReopen,
        Flaw::StartDoesNotReopen,
        Flaw::FirstJournalledIsCreation,
        Flaw::StartsDoNotOverridePushes,
        Flaw::ContactsEndOnlyAtClose,
        Flaw::PushesEndNoContact,
        Flaw::RoutingAfterThePushCounts,
        Flaw::RoutingCoversOnePush,
        Flaw::RoutingMustBeJournalledFirst,
        Flaw::RepeatsHappenAgain,
        Flaw::FinalConversationsAreAmended,
        Flaw::AmendingDoesNotDelay,
        Flaw::NeverStartedIsKept,
        Flaw::QuotasAreIgnored,
        Flaw::TombstonesAreNotBounded,
        Flaw::FloorIsForConversationsOnly,
        Flaw::ForgettingRaisesNoFloor,
        Flaw::FreshTenantsHaveAFloor,
        Flaw::RefusedTakesReleaseNoClaim,
        Flaw::NotRoutableAcceptsWork,
        Flaw::RoutableIsNotCopied,
        Flaw::SizesOfUsersAreIgnored,
        Flaw::SizesOfTenantsAreIgnored,
        Flaw::TheReferenceIsCall,
        Flaw::AdministrationIsNotSeen,
        Flaw::LogInsAreNotSeen,
        Flaw::FullHistoriesKeepSlots,
    ];
}
