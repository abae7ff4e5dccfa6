//! All limits of the service, and what happens at each. They are checked against each other at compile time.

/// Maximum of `[site] max_calls`, the limit of live calls, whose default is half of the RTP port pairs. At the limit an
/// emergency call gets 503 with Retry-After, before any other work.
pub const CALLS_MAX: usize = 20_000;
/// Calls in the table: live ones, and ended ones that wait for cancelled legs (at most 64*T1). Full: as `CALLS_MAX`.
pub const CALLS_KEPT_MAX: usize = 40_000;
/// Percentage of the limit of live calls from which trunks that support overload control (RFC 7339) are asked to send
/// fewer requests.
pub const CALLS_SOFT_PERCENT: usize = 90;
/// Ring attempts of one call. After them the call keeps its position, and rings operators or enters the fallback once
/// per `[queue] fallback_retry_seconds`. Calls behind it are served in between.
pub const RING_ATTEMPTS_PER_CALL_MAX: usize = 10_000;
/// Live legs of one call. Full: further operators are not rung.
pub const LIVE_LEGS_PER_CALL_MAX: usize = 64;
/// Operators' accounts. Full: `operator add` and `operator import` report an error.
pub const OPERATORS_MAX: usize = 10_000;
/// Prefixes of called numbers of one trunk. More: the configuration is rejected.
pub const CALLED_PREFIXES_MAX: usize = 32;
/// Desks of the queue. More: the configuration is rejected.
pub const DESKS_MAX: usize = 16;
/// Alarms raised at once. Full: a new one is logged and not listed.
pub const ALARMS_MAX: usize = 1_024;
/// Steps of a desk's escalation. More: the configuration is rejected.
pub const ESCALATION_STEPS_MAX: usize = 8;
/// Lines of a roster (10,000 operators for three months, 50 for fifty years). More: the roster is rejected.
pub const ROSTER_ENTRIES_MAX: usize = 1_000_000;
/// Bindings of one address of record. Full: REGISTER gets 403 (RFC 3261 §10.3 leaves the policy to us).
pub const BINDINGS_PER_AOR_MAX: usize = 8;
/// Bytes of one Contact value that a REGISTER binds. Longer: 400.
pub const CONTACT_BYTES_MAX: usize = 1_024;
/// Subscriptions of all operators' phones. Full: SUBSCRIBE gets 503 with Retry-After.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;
/// Subscriptions of one operator's phones: some hundred lamps each. Full: SUBSCRIBE gets 503 with Retry-After.
pub const SUBSCRIPTIONS_PER_OPERATOR_MAX: usize = 1_024;
/// Texts (MESSAGE) that wait for a response. Full: 503 with Retry-After; the reply to the console lists the operators
/// who got no text.
pub const TEXTS_MAX: usize = 10_000;
/// Bytes of one text. Longer: 413.
pub const TEXT_BYTES_MAX: usize = 8_192;
/// Open transactions, client and server together. Full: new requests get a stateless 503.
pub const TRANSACTIONS_MAX: usize = 400_000;
/// Nonces whose use counts are stored. Full: the oldest is removed; a request with it gets 401 with `stale=true`.
pub const NONCES_MAX: usize = 65_536;
/// Number of transactions from which requests that can be repeated later (REGISTER, OPTIONS and others) get 503 with
/// Retry-After. The rest is reserved for trunks' INVITEs.
pub const TRANSACTIONS_SOFT_MAX: usize = 300_000;
/// Sources whose requests are counted. Full: the source whose counts return to zero first is removed.
pub const GUARD_SOURCES_MAX: usize = 65_536;
/// Bans, including ended ones that determine the length of the next one. Full: the one that changes next is removed.
pub const GUARD_BANS_MAX: usize = 16_384;
/// Sources that must wait before their next attempt at an account's password. Full: the source whose wait ends first
/// need not wait any longer.
pub const GUESS_WAITS_MAX: usize = 65_536;
/// Addresses of one account that have shown its password, and Call-IDs of its registrations. More: the one that was
/// seen first is removed.
pub const PROVEN_SOURCES_MAX: usize = 8;
/// Counts of wrong passwords that names without an account share.
pub const UNKNOWN_ACCOUNTS_COUNTED: usize = 4_096;
/// Counts of wrong PINs, each of one operator at one station. Full: one is removed.
pub const WRONG_PINS_MAX: usize = 4_096;
/// Bytes of one SIP message. Longer: 413 on datagrams that parse, the connection closes on streams.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Header fields of one SIP message. More: 400.
pub const HEADERS_MAX: usize = 256;
/// Bytes of one header field value. Longer: 400.
pub const HEADER_BYTES_MAX: usize = 8_192;
/// Via header field values of one message. More: 400.
pub const VIAS_MAX: usize = 70;
/// Body parts that are read in one multipart body, including nested ones. More are ignored.
pub const BODY_PARTS_MAX: usize = 16;
/// m-lines of one session description. More are ignored.
pub const MEDIA_LINES_MAX: usize = 32;
/// Bytes of a location document that are parsed and stored. Longer: only the start is stored, and nothing is parsed.
pub const LOCATION_BYTES_MAX: usize = 16_384;
/// Locations that are stored from one request. More are ignored.
pub const LOCATIONS_MAX: usize = 8;
/// Elements that are stored from one civic address, and parameters from one access network. More are ignored.
pub const CIVIC_ELEMENTS_MAX: usize = 48;
/// Route set entries of one dialog. More: the request with them gets 400.
pub const ROUTES_MAX: usize = 32;
/// Early dialogs of one outgoing leg (a proxy that forks). Reliable provisional responses in further ones get no PRACK,
/// and their SDP is not stored.
pub const EARLY_DIALOGS_MAX: usize = 8;
/// Live calls that operators have placed. Full: 503, so that capacity is left for emergency calls.
pub const PLACED_CALLS_MAX: usize = 2_000;
/// Ended dialogs that are stored, so that an INVITE that replaces one (RFC 3891) gets 603. Full: the oldest is removed,
/// and such an INVITE gets 481.
pub const PAST_DIALOGS_MAX: usize = 4_096;
/// Ended INVITEs of siaga, stored for 64*T1, so that a late 2xx gets ACK and BYE. Full: the oldest is dropped.
pub const PAST_INVITES_MAX: usize = 16_384;
/// Agencies in the configuration. More: the configuration is rejected.
pub const AGENCIES_MAX: usize = 256;
/// Numbers of callers with a history. Full: the number without an event for the longest time is removed.
pub const CALLERS_MAX: usize = 65_536;
/// Calls, and prank calls, of one number that are stored. More: the oldest call is removed, and further prank calls are
/// not stored.
pub const CALLER_CALLS_MAX: usize = 100;
/// Numbers on the list of call-backs. Full: the number that has waited longest is removed, with a fact.
pub const CALL_BACKS_MAX: usize = 10_000;
/// Calls of earlier runs that a start reads to restore the history of callers. More: only the latest are read.
pub const PAST_CALLS_MAX: usize = 50_000;
/// Flags of callers from earlier runs that a start reads. More: only the latest are read.
pub const PAST_MARKS_MAX: usize = 10_000;
/// Digits of one caller that are shown and stored as the caller's choices. More: only `digit` facts report them.
pub const CHOICES_MAX: usize = 32;
/// Categories in the configuration. More: the configuration is rejected.
pub const CATEGORIES_MAX: usize = 256;
/// Prefixes of numbers that are called back, and of those that are not.
pub const CALL_BACK_PREFIXES_MAX: usize = 256;
/// RTP ports of the service (RTP and RTCP each count). More: the configuration is rejected.
pub const RTP_PORTS_MAX: usize = 45_000;
/// Minimum reserve of RTP port pairs for operators' phones: at least this many, or two for each ready operator if that
/// is more, but at most half of all pairs. When only the reserve is free, a new caller waits without a port, and gets
/// one when a phone is rung.
pub const RTP_PAIRS_RESERVED_MIN: usize = 8;
/// Waiting calls that are examined to find one for which the last free port pair is sufficient. Further calls wait for
/// the next pair.
pub const WAITING_CALLS_SEARCHED_MAX: usize = 64;
/// Parties of one conference: the caller, the operator and the participants. If it is full, another party gets 486.
pub const CONFERENCE_PARTIES_MAX: usize = 8;
/// Synchronisation sources of one SRTP peer for which replays are detected. More: the one without a packet for the
/// longest time is removed.
pub const SRTP_SOURCES_MAX: usize = 4;
/// `a=crypto` lines that are read in one audio stream. More are ignored.
pub const CRYPTO_LINES_MAX: usize = 16;
/// Media commands in the queue to one media thread. Full: the newest is dropped and counted.
pub const MEDIA_COMMANDS_MAX: usize = 65_536;
/// Media events in the queue to the loop. Full: the newest is dropped and counted.
pub const MEDIA_EVENTS_MAX: usize = 65_536;
/// Recorded frames in the queue to the recorder. Full: the frame is dropped and counted, and the recording is silent
/// there.
pub const RECORDING_FRAMES_MAX: usize = 8_192;
/// Samples of one prompt at 8 kHz: ten minutes. Longer: the file is not played, and a warning is logged.
pub const PROMPT_SAMPLES_MAX: usize = 4_800_000;
/// Separate gaps of one recording. More: the last gap is extended.
pub const RECORDING_GAPS_MAX: usize = 32;
/// Recordings of earlier runs that a start repairs and registers. More: the next start continues.
pub const RECORDINGS_LEFT_MAX: usize = 65_536;
/// Recordings that wait for their checksum. Full: the file stays, and the call's record shows that it is not sealed.
pub const RECORDINGS_SEALING_MAX: usize = 1_024;
/// Changes of registrations, flags and the operating mode in the queue to the local copy's thread. Full: further
/// changes wait in memory, and an alarm is raised.
pub const LOCAL_CHANGES_MAX: usize = 65_536;
/// Facts in the queue to the journal. It is full only if the disk fails while there are tens of thousands of calls.
/// Full: the crash log keeps the newest facts for the journal's thread; without a crash log they are dropped and
/// counted. Calls continue.
pub const FACTS_MAX: usize = 262_144;
/// Facts that are written with one fsync. More: the next fsync.
pub const FACTS_GROUP_MAX: usize = 8_192;
/// Facts in the journal that are kept in memory for the writer. More: the writer reads the oldest from the disk.
pub const FACTS_RECENT_MAX: usize = 16_384;
/// Bytes of their records. More: the same.
pub const FACTS_RECENT_BYTES_MAX: usize = 16 << 20;
/// Bytes of one file of the crash log in memory; the next step goes to a new file.
pub const CRASH_LOG_FILE_BYTES_MAX: u64 = 1 << 20;
/// Files of the crash log that wait for the disk. More: new facts go only to the journal's thread.
pub const CRASH_LOG_FILES_MAX: u32 = 64;
/// Journal segments that are kept after they were stored in the database. More: the oldest are removed.
pub const STORED_SEGMENTS_MAX: usize = 1_024;
/// Calls that are set aside because the database rejects them. More: the writer waits as for a database that is down.
pub const CALLS_ASIDE_MAX: usize = 10_000;
/// Datagrams that the loop handles before it checks its timers.
pub const DATAGRAMS_PER_TURN_MAX: usize = 64;
/// Bytes that wait to be written to one TCP connection. Full: the connection is closed.
pub const CONNECTION_BYTES_MAX: usize = 262_144;
/// Messages that wait to be written to one TCP connection. Full: the connection is closed.
pub const CONNECTION_MESSAGES_MAX: usize = 1_024;
/// TCP connections. Full: new ones are closed at once.
pub const CONNECTIONS_MAX: usize = 16_384;
/// The part of them that is reserved for the peers of trunks. When only this part is left, new connections of other
/// peers are closed at once.
pub const CONNECTIONS_RESERVED: usize = 512;
/// Default limit of TCP connections from one address or one IPv6 /64, which may be that of a whole control room. Full:
/// the oldest unauthenticated one of the source is closed, or else the new one.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 1_024;
/// Unauthenticated connections: the peer is no trunk and has shown no account's password. Full: the oldest of them is
/// closed.
pub const CONNECTIONS_UNPROVEN_MAX: usize = 4_096;
/// The part of them whose TLS handshake is not complete. Full: the oldest of them is closed.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// Events of connections in the queue to the loop. Full: siaga stops reading from connections, so peers must wait.
pub const CONNECTION_EVENTS_MAX: usize = 1_024;
/// Servers of one trunk's name. More are ignored.
pub const TARGETS_MAX: usize = 16;
/// Closed connections that are stored, for legs that used them. Full: the oldest is removed.
pub const CLOSED_CONNECTIONS_MAX: usize = 4_096;
/// Host names in trunks' Contacts that are being looked up. Full: the oldest lookup is dropped.
pub const LOOKUPS_MAX: usize = 1_024;
/// The part of them whose queries are sent at once. The others wait.
pub const LOOKUPS_AT_ONCE: usize = 32;
/// Console requests in the queue to the loop. Full: 503.
pub const CONSOLE_REQUESTS_MAX: usize = 256;
/// TCP connections to the console. Full: an older one is closed.
pub const CONSOLE_CONNECTIONS_MAX: usize = 512;
/// The part of them that is reserved for this machine.
pub const CONSOLE_CONNECTIONS_LOCAL_MIN: usize = 64;
/// Limit of them from one address or one IPv6 /64 other than this machine's. Full: an older one without a token is
/// closed, or else the new one.
pub const CONSOLE_CONNECTIONS_PER_SOURCE_MAX: usize = 128;
/// Look-ups of the console in the database at once. Others wait for a short time, then get 503.
pub const CONSOLE_LOOK_UPS_MAX: usize = 2;
/// Clients of the console's event stream. Full: 503.
pub const EVENT_LISTENERS_MAX: usize = 64;
/// Limit of them for one user of the console.
pub const EVENT_LISTENERS_PER_USER_MAX: usize = 8;
/// Events that are stored for slow clients (a power of two). Full: a slow client loses the oldest events, and receives
/// their number.
pub const EVENTS_KEPT_MAX: usize = 4_096;
/// Rows of a Parquet file that are in memory. More: they are written as one group.
pub const PARQUET_GROUP_ROWS: usize = 4_096;
/// Bytes of the emblem of the monthly report. More: the file is rejected.
pub const EMBLEM_BYTES_MAX: u64 = 1 << 20;
/// Pixels of each side of an emblem that is a PNG file. More: the file is rejected.
pub const EMBLEM_PIXELS_MAX: u32 = 4_096;
/// Signatories of the monthly report. More: the configuration or the template is rejected.
pub const SIGNATORIES_MAX: usize = 6;
/// Characters of the role, the name and the number of a signatory. More: the same.
pub const SIGNATORY_CHARS_MAX: usize = 200;
/// Characters of each text of the template of the monthly report. More: the template is rejected.
pub const LETTER_CHARS_MAX: usize = 4_000;
/// Schedules of reports. More: the configuration is rejected.
pub const SCHEDULES_MAX: usize = 32;
/// Addresses of one schedule. More: the configuration is rejected.
pub const RECIPIENTS_MAX: usize = 20;
/// E-mails with reports that wait for their server. Full: a new one is not sent, and the delivery log shows it.
pub const SPOOL_FILES_MAX: usize = 256;
/// Bytes of one e-mail with its report. More: it is not sent, and the delivery log shows it.
pub const MAIL_BYTES_MAX: usize = 20 << 20;
/// Entries of the delivery log. More: the oldest are removed.
pub const DELIVERIES_KEPT_MAX: i64 = 10_000;

const _: () = assert!(RECIPIENTS_MAX <= SPOOL_FILES_MAX);
const _: () = assert!(CALLS_MAX * 2 <= RTP_PORTS_MAX);
const _: () = assert!(CALLS_MAX * 2 <= CALLS_KEPT_MAX);
const _: () = assert!(PLACED_CALLS_MAX < CALLS_MAX / 2);
const _: () = assert!(CALLS_MAX * 8 <= TRANSACTIONS_MAX);
const _: () = assert!(TRANSACTIONS_SOFT_MAX + CALLS_MAX * 4 <= TRANSACTIONS_MAX);
// Above the soft limit the table can hold a transaction of every caller, and of every phone of every operator who is
// rung.
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

/// Facts of one erasure. More: the next erasure of the number takes the rest.
pub const ERASED_FACTS_MAX: usize = 200_000;
