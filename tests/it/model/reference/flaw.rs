//! Rules to break on purpose: a comparison that does not notice a broken rule proves nothing about that rule.

/// One broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A full agent who went unavailable counts as busy.
    BusyBeforeToggleOff,
    /// Chat does not block calls.
    NothingBlocks,
    /// Sessions of the administration connect.
    AdministrationConnects,
    /// Of two words at the same time the one journalled first wins.
    FirstOfEqualsWins,
    /// Whatever is journalled last wins.
    TimesAreIgnored,
    /// A release frees the conversation, whoever holds it.
    AnyoneReleases,
    /// A sync ends only what was journalled before it.
    SyncHasNoFloor,
    /// A sync leaves alone what it does not name.
    SyncOnlyAdds,
    /// A deletion gives conversations back to whoever held them before.
    DeletionGivesBack,
    /// A write of a dialect is stale when a desk's clock is ahead.
    DialectsCanBeStale,
    /// Closing all sessions leaves those whose desk's clock is ahead.
    ClosedAllIsStale,
    /// A lease's expiry closes the session at the server's time.
    ExpiryIsAWord,
    /// Tombstones are kept for good.
    NothingIsForgotten,
    /// A connection that came late does not tell that the person was there.
    LateConnectionsAreNotSeen,
    /// A presence is as old as its choice, whoever comes and goes.
    DesksUpdateNothing,
    /// Who chose a definition shows the category's own.
    DefinitionsAreNotShown,
    /// A conversation that comes back to somebody was handled twice.
    EveryTakeCounts,
    /// Every value of a filter is enough.
    AnyIsEnough,
    /// Names are compared letter by letter.
    NamesHaveCase,
    /// The primary group is no group.
    PrimaryGroupIsApart,
    /// Whoever went unavailable has left production, conversations or not.
    UnavailableLeavesProduction,
    /// The percentage budget is not looked at.
    NoBudget,
    /// Users without a channel are agents.
    EveryoneIsAnAgent,
    /// Calls may go to users without a queue or campaign.
    AssignmentIsNotNeeded,
    /// What happens in conversations takes and frees no slots.
    SlotsDoNotFollow,
    /// A conversation that is closed again was open until then.
    SecondCloseCounts,
    /// What was closed stays closed, whoever it is pushed to.
    PushDoesNotReopen,
    /// What was closed stays closed, whoever starts it again.
    StartDoesNotReopen,
    /// A conversation was created by what was journalled first.
    FirstHeardIsCreation,
    /// A push knows the channel and the project as well as a start.
    StartsKnowNoBetter,
    /// A contact goes on until the conversation is closed.
    ContactsEndOnlyAtClose,
    /// A contact goes on until somebody says so, whoever else it is pushed to.
    PushesEndNoContact,
    /// The newest routing of all counts, be it after the push.
    RoutingAfterThePushCounts,
    /// A routing covers one push.
    RoutingCoversOnePush,
    /// A routing at the push's own time counts only if it was journalled before.
    RoutingMustBeHeardFirst,
    /// An event that comes again after the window for repeats happened twice.
    RepeatsHappenAgain,
    /// Late events change conversations that are final.
    FinalIsAmended,
    /// A conversation is final a day after it closed, whatever came meanwhile.
    AmendingDoesNotDelay,
    /// What nobody started is kept for good.
    NeverStartedIsKept,
    /// The tenant keeps whatever it is sent.
    QuotasAreIgnored,
    /// However much ended, it is remembered for its day.
    TombstonesAreNotBounded,
    /// A forgotten session or slot comes back to life by a late event.
    FloorIsForConversationsOnly,
    /// Forgetting leaves no trace.
    ForgettingRaisesNoFloor,
    /// A tenant that has forgotten nothing refuses what is old.
    FreshTenantsHaveAFloor,
    /// A take by an unknown user leaves the conversation with its holder.
    UnknownUsersReleaseNobody,
}

impl Flaw {
    /// Every one of them.
    pub const ALL: [Flaw; 45] = [
        Flaw::BusyBeforeToggleOff,
        Flaw::NothingBlocks,
        Flaw::AdministrationConnects,
        Flaw::FirstOfEqualsWins,
        Flaw::TimesAreIgnored,
        Flaw::AnyoneReleases,
        Flaw::SyncHasNoFloor,
        Flaw::SyncOnlyAdds,
        Flaw::DeletionGivesBack,
        Flaw::DialectsCanBeStale,
        Flaw::ClosedAllIsStale,
        Flaw::ExpiryIsAWord,
        Flaw::NothingIsForgotten,
        Flaw::LateConnectionsAreNotSeen,
        Flaw::DesksUpdateNothing,
        Flaw::DefinitionsAreNotShown,
        Flaw::EveryTakeCounts,
        Flaw::AnyIsEnough,
        Flaw::NamesHaveCase,
        Flaw::PrimaryGroupIsApart,
        Flaw::UnavailableLeavesProduction,
        Flaw::NoBudget,
        Flaw::EveryoneIsAnAgent,
        Flaw::AssignmentIsNotNeeded,
        Flaw::SlotsDoNotFollow,
        Flaw::SecondCloseCounts,
        Flaw::PushDoesNotReopen,
        Flaw::StartDoesNotReopen,
        Flaw::FirstHeardIsCreation,
        Flaw::StartsKnowNoBetter,
        Flaw::ContactsEndOnlyAtClose,
        Flaw::PushesEndNoContact,
        Flaw::RoutingAfterThePushCounts,
        Flaw::RoutingCoversOnePush,
        Flaw::RoutingMustBeHeardFirst,
        Flaw::RepeatsHappenAgain,
        Flaw::FinalIsAmended,
        Flaw::AmendingDoesNotDelay,
        Flaw::NeverStartedIsKept,
        Flaw::QuotasAreIgnored,
        Flaw::TombstonesAreNotBounded,
        Flaw::FloorIsForConversationsOnly,
        Flaw::ForgettingRaisesNoFloor,
        Flaw::FreshTenantsHaveAFloor,
        Flaw::UnknownUsersReleaseNobody,
    ];
}
