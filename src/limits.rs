//! Every cap of the service, and what happens when it is reached. Checked against each other at compile time.

/// Calls at once that the configuration may allow; without a number it is half of the RTP port pairs. Full: 503 with Retry-After, before any work (the only
/// refusal of an emergency call).
pub const CALLS_MAX: usize = 20_000;
/// Calls that are kept at once: live ones, and those that are over and wait for legs that they have cancelled (at most 64*T1). Full: as `CALLS_MAX`.
pub const CALLS_KEPT_MAX: usize = 40_000;
/// Of the calls that may be at once, the hundredths from which on trunks that ask for it (RFC 7339) are told to hold requests back.
pub const CALLS_SOFT_PERCENT: usize = 90;
/// Ring attempts of one call. After them it keeps its position and is rung, or sent to the fallback, once for each
/// `[queue] fallback_retry_seconds`; calls behind it are served in between.
pub const RING_ATTEMPTS_PER_CALL_MAX: usize = 10_000;
/// Legs alive at once in one call (ring-all fallback). Full: the remaining operators are not rung.
pub const LIVE_LEGS_PER_CALL_MAX: usize = 64;
/// Operators known. Full: `operator add` and `operator import` refuse.
pub const OPERATORS_MAX: usize = 10_000;
/// Prefixes of called numbers of one trunk. More: the configuration is rejected.
pub const CALLED_PREFIXES_MAX: usize = 32;
/// Desks of the queue. More: the configuration is refused.
pub const DESKS_MAX: usize = 16;
/// Alarms raised at once. Full: a new one is logged and not listed.
pub const ALARMS_MAX: usize = 1_024;
/// Steps of a desk's escalation. More: the configuration is refused.
pub const ESCALATION_STEPS_MAX: usize = 8;
/// Lines of a roster (10,000 operators for three months, 50 for fifty years). More: the roster is refused.
pub const ROSTER_ENTRIES_MAX: usize = 1_000_000;
/// Bindings of one address of record. Full: REGISTER gets 403 (RFC 3261 §10.3 leaves the policy to us).
pub const BINDINGS_PER_AOR_MAX: usize = 8;
/// Bytes of one Contact value that a REGISTER binds. Longer: 400.
pub const CONTACT_BYTES_MAX: usize = 1_024;
/// Subscriptions of all operators' phones. Full: SUBSCRIBE gets 503 with Retry-After.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;
/// Subscriptions of one operator's phones: some hundred lamps each. Full: SUBSCRIBE gets 503 with Retry-After.
pub const SUBSCRIPTIONS_PER_OPERATOR_MAX: usize = 1_024;
/// Texts (MESSAGE) on their way. Full: 503 with Retry-After; the console is told who has got none.
pub const TEXTS_MAX: usize = 10_000;
/// Bytes of one text. Longer: 413.
pub const TEXT_BYTES_MAX: usize = 8_192;
/// Transactions alive, client and server together. Full: new requests get 503 statelessly.
pub const TRANSACTIONS_MAX: usize = 400_000;
/// Nonces whose use counts are remembered. Full: the oldest is forgotten and answers as stale.
pub const NONCES_MAX: usize = 65_536;
/// Transactions from which on what can be asked again is refused with 503 and Retry-After: REGISTER, OPTIONS and the like.
/// The room above is for the trunks' INVITEs.
pub const TRANSACTIONS_SOFT_MAX: usize = 300_000;
/// Sources whose requests are counted. Full: the one that is clean first is forgotten.
pub const GUARD_SOURCES_MAX: usize = 65_536;
/// Bans, with those that are over and remembered. Full: the one that changes next is forgotten.
pub const GUARD_BANS_MAX: usize = 16_384;
/// Sources that must wait before their next attempt at an account's password. Full: the one whose wait ends first waits no longer.
pub const GUESS_WAITS_MAX: usize = 65_536;
/// Addresses of one account that have shown its password, and Call-IDs of its registrations. More: the one that was seen first is forgotten.
pub const PROVEN_SOURCES_MAX: usize = 8;
/// Counts of wrong passwords that names without an account share.
pub const UNKNOWN_ACCOUNTS_COUNTED: usize = 4_096;
/// Counts of wrong PINs, of one operator at one station each. Full: one is forgotten.
pub const WRONG_PINS_MAX: usize = 4_096;
/// Bytes of one SIP message. Longer: 413 on datagrams that parse, the connection closes on streams.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Header fields of one SIP message. More: 400.
pub const HEADERS_MAX: usize = 256;
/// Bytes of one header field value. Longer: 400.
pub const HEADER_BYTES_MAX: usize = 8_192;
/// Via header field values of one message. More: 400.
pub const VIAS_MAX: usize = 70;
/// Body parts looked at in one multipart body, nested ones included. More are ignored.
pub const BODY_PARTS_MAX: usize = 16;
/// m-lines of one session description. More are ignored.
pub const MEDIA_LINES_MAX: usize = 32;
/// Bytes of a location document that are parsed and kept. Longer: kept cut, not parsed.
pub const LOCATION_BYTES_MAX: usize = 16_384;
/// Locations kept of one request. More are ignored.
pub const LOCATIONS_MAX: usize = 8;
/// Elements kept of one civic address, and parameters of one access network. More are ignored.
pub const CIVIC_ELEMENTS_MAX: usize = 48;
/// Route set entries of one dialog. More: 400 to the request that brings them.
pub const ROUTES_MAX: usize = 32;
/// Early dialogs of one outgoing leg (a proxy that forks). More are not acknowledged reliably, and ring unheard.
pub const EARLY_DIALOGS_MAX: usize = 8;
/// Calls at once that operators have placed. Full: 503; the room is for emergency calls.
pub const PLACED_CALLS_MAX: usize = 2_000;
/// Dialogs remembered when they are over, to refuse their replacement (RFC 3891) with 603. Full: the oldest is forgotten: 481.
pub const PAST_DIALOGS_MAX: usize = 4_096;
/// Our ended INVITEs, kept for 64*T1: a 2xx that arrives late gets ACK and BYE. Full: the oldest is dropped.
pub const PAST_INVITES_MAX: usize = 16_384;
/// Agencies in the configuration. More: a fault of the file.
pub const AGENCIES_MAX: usize = 256;
/// Numbers of callers that are remembered. Full: the one not heard of for longest is forgotten.
pub const CALLERS_MAX: usize = 65_536;
/// Calls, and pranks, of one number that are remembered. More: the oldest call is forgotten, and enough pranks are enough.
pub const CALLER_CALLS_MAX: usize = 100;
/// Numbers that wait to be called back. Full: the one that has waited longest goes, with a fact.
pub const CALL_BACKS_MAX: usize = 10_000;
/// Calls of earlier runs that are looked through at the start for what is remembered of callers. More: the latest of them.
pub const PAST_CALLS_MAX: usize = 50_000;
/// Marks of callers of earlier runs that are looked through. More: the latest of them.
pub const PAST_MARKS_MAX: usize = 10_000;
/// Digits of one caller that are shown and kept as his choices. More: only `digit` facts tell of them.
pub const CHOICES_MAX: usize = 32;
/// Categories in the configuration. More: a fault of the file.
pub const CATEGORIES_MAX: usize = 256;
/// Prefixes of numbers that are called back, and of those that are not.
pub const CALL_BACK_PREFIXES_MAX: usize = 256;
/// RTP ports of the service (RTP and RTCP each count). More: the configuration is refused.
pub const RTP_PORTS_MAX: usize = 45_000;
/// RTP port pairs that new callers leave to operators' phones at least, as far as half of all pairs allows; two for each ready operator
/// if that is more. At this reserve a new caller waits without a port, and gets one when a phone is rung.
pub const RTP_PAIRS_RESERVED_MIN: usize = 8;
/// Calls that are searched for one that the last free port pair is enough for. More: they wait for the next pair.
pub const WAITING_CALLS_SEARCHED_MAX: usize = 64;
/// Parties of one room: the caller, his operator and their guests. Full: who would join gets 486.
pub const CONFERENCE_PARTIES_MAX: usize = 8;
/// Synchronisation sources of one SRTP peer whose replays are told. More: the one heard longest ago is forgotten.
pub const SRTP_SOURCES_MAX: usize = 4;
/// `a=crypto` lines looked at in one audio stream. More are ignored.
pub const CRYPTO_LINES_MAX: usize = 16;
/// Media commands under way to one media thread. Full: the newest is dropped and counted.
pub const MEDIA_COMMANDS_MAX: usize = 65_536;
/// Media events under way to the loop. Full: the newest is dropped and counted.
pub const MEDIA_EVENTS_MAX: usize = 65_536;
/// Recorded frames under way to the recorder. Full: the frame is dropped, the recording has silence, a metric counts.
pub const RECORDING_FRAMES_MAX: usize = 8_192;
/// Samples of one prompt at 8 kHz: ten minutes. Longer: the file is not played, and the log says so.
pub const PROMPT_SAMPLES_MAX: usize = 4_800_000;
/// Separate gaps of one recording. More: the last gap is extended.
pub const RECORDING_GAPS_MAX: usize = 32;
/// Recordings of earlier runs that a start repairs and registers. More: the next start.
pub const RECORDINGS_LEFT_MAX: usize = 65_536;
/// Recordings that wait for their checksum. Full: the file stays, and the call's record says that it is not sealed.
pub const RECORDINGS_SEALING_MAX: usize = 1_024;
/// Changes of registrations, flags and the mode that wait for the local copy. Full: the newest is dropped, with an alarm.
pub const LOCAL_CHANGES_MAX: usize = 65_536;
/// Facts under way to the journal. Full, which takes a dead disk and tens of thousands of calls: the newest is dropped and
/// counted, and the call goes on.
pub const FACTS_MAX: usize = 262_144;
/// Facts that go to the disk with one fsync. More: the next fsync.
pub const FACTS_GROUP_MAX: usize = 8_192;
/// Bytes of one file of the crash log in memory; the next step goes to a new file.
pub const CRASH_LOG_FILE_BYTES_MAX: u64 = 1 << 20;
/// Files of the crash log that wait for the disk. More: new facts go only to the journal's thread.
pub const CRASH_LOG_FILES_MAX: u32 = 64;
/// Journal segments that are kept after they were stored in the database. More: the oldest are removed.
pub const STORED_SEGMENTS_MAX: usize = 1_024;
/// Calls that are set aside because the database rejects them. More: the writer waits as for a database that is down.
pub const CALLS_ASIDE_MAX: usize = 10_000;
/// Datagrams handled in one turn of the loop before timers are looked at.
pub const DATAGRAMS_PER_TURN_MAX: usize = 64;
/// Bytes that wait to be written to one TCP connection. Full: the connection is closed.
pub const CONNECTION_BYTES_MAX: usize = 262_144;
/// Messages that wait to be written to one TCP connection. Full: the connection is closed.
pub const CONNECTION_MESSAGES_MAX: usize = 1_024;
/// TCP connections. Full: new ones are closed at once.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Of them for the peers of trunks alone. Everybody else's new ones are closed at once when only these are left.
pub const CONNECTIONS_RESERVED: usize = 512;
/// TCP connections from one address, or one IPv6 /64 (a floor of phones may stand behind one), where the configuration names no other number. Full: new
/// ones are closed at once.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 1_024;
/// Connections whose peers have proven nothing: no account's password, no trunk. Full: the oldest of them is closed.
pub const CONNECTIONS_UNPROVEN_MAX: usize = 4_096;
/// Of them, those under TLS whose handshake is not over. Full: the oldest of them is closed.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// What connections have brought and the loop has not taken yet. Full: reading waits, and so does the peer.
pub const CONNECTION_EVENTS_MAX: usize = 1_024;
/// Servers of one trunk's name that are kept. More are left out.
pub const TARGETS_MAX: usize = 16;
/// Closed connections that are remembered, for the legs that went over them. Full: the oldest is forgotten.
pub const CLOSED_CONNECTIONS_MAX: usize = 4_096;
/// Host names in trunks' Contacts that are being looked up. Full: the oldest lookup is dropped.
pub const LOOKUPS_MAX: usize = 1_024;
/// Of these, queries that are sent at once. The others wait.
pub const LOOKUPS_AT_ONCE: usize = 32;
/// Console requests under way to the loop. Full: 503.
pub const CONSOLE_REQUESTS_MAX: usize = 256;
/// TCP connections to the console. Full: an older one is closed.
pub const CONSOLE_CONNECTIONS_MAX: usize = 512;
/// Of them for this machine alone.
pub const CONSOLE_CONNECTIONS_LOCAL_MIN: usize = 64;
/// Of them from one address, or one IPv6 /64, other than this machine's. Full: an older one without a token is closed, else the new one.
pub const CONSOLE_CONNECTIONS_PER_SOURCE_MAX: usize = 128;
/// Look-ups of the console in the database at once. Others wait for a short time, then get 503.
pub const CONSOLE_LOOK_UPS_MAX: usize = 2;
/// Who listens to the console's events. Full: 503.
pub const EVENT_LISTENERS_MAX: usize = 64;
/// Of them for one user of the console.
pub const EVENT_LISTENERS_PER_USER_MAX: usize = 8;
/// Events kept for listeners who are slow (a power of two). Full: the oldest are lost, and they are told how many.
pub const EVENTS_KEPT_MAX: usize = 4_096;

const _: () = assert!(CALLS_MAX * 2 <= RTP_PORTS_MAX);
const _: () = assert!(CALLS_MAX * 2 <= CALLS_KEPT_MAX);
const _: () = assert!(PLACED_CALLS_MAX < CALLS_MAX / 2);
const _: () = assert!(CALLS_MAX * 8 <= TRANSACTIONS_MAX);
const _: () = assert!(TRANSACTIONS_SOFT_MAX + CALLS_MAX * 4 <= TRANSACTIONS_MAX);
// Above the soft limit there is room for every caller, and for every phone of every operator that is rung.
const _: () = assert!(CALLS_MAX + OPERATORS_MAX * BINDINGS_PER_AOR_MAX <= TRANSACTIONS_MAX - TRANSACTIONS_SOFT_MAX);
const _: () = assert!(SUBSCRIPTIONS_MAX + TEXTS_MAX * BINDINGS_PER_AOR_MAX < TRANSACTIONS_SOFT_MAX);
const _: () = assert!(SUBSCRIPTIONS_PER_OPERATOR_MAX < SUBSCRIPTIONS_MAX);
const _: () = assert!(TEXT_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(OPERATORS_MAX <= TEXTS_MAX);
const _: () = assert!(OPERATORS_MAX <= CALLS_MAX);
const _: () = assert!(PAST_CALLS_MAX + PAST_MARKS_MAX <= CALLERS_MAX);
const _: () = assert!(CALLS_SOFT_PERCENT < 100);
const _: () = assert!(OPERATORS_MAX + CONNECTIONS_RESERVED + CONNECTIONS_UNPROVEN_MAX < CONNECTIONS_MAX);
const _: () = assert!(TLS_HANDSHAKES_MAX < CONNECTIONS_UNPROVEN_MAX);
const _: () = assert!(CONNECTIONS_PER_SOURCE_MAX < CONNECTIONS_MAX);
const _: () = assert!(EVENT_LISTENERS_MAX < CONSOLE_CONNECTIONS_MAX - CONSOLE_CONNECTIONS_LOCAL_MIN);
const _: () = assert!(CONSOLE_CONNECTIONS_PER_SOURCE_MAX < CONSOLE_CONNECTIONS_MAX - CONSOLE_CONNECTIONS_LOCAL_MIN);
const _: () = assert!(MESSAGE_BYTES_MAX < CONNECTION_BYTES_MAX);
const _: () = assert!(HEADER_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(LOCATION_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(LIVE_LEGS_PER_CALL_MAX < RING_ATTEMPTS_PER_CALL_MAX);
