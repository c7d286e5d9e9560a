//! Every maximum of the fleet, each with the abuse it stops.

use std::time::Duration;

// The edge mode's.

/// How long dialling the server may take, from the name to the WebSocket. Stops a server that accepts and says nothing.
pub const DIAL: Duration = Duration::from_secs(10);

/// What a proxy or a server may say before there is a WebSocket, in bytes. Stops one that never ends its head.
pub const HANDSHAKE_HEAD_MAX: usize = 16 << 10;

/// How long a write may make no progress. Stops a server that no longer reads from holding everything that is for it.
pub const WRITE_PROGRESS: Duration = Duration::from_secs(60);

/// How long the server may be silent, unless twice the heartbeat is longer. Stops a connection that is dead, and that
/// nobody told us of, from being taken for one that is quiet.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How long a connection must have lived for the next attempts to begin with short delays again. Stops a server that
/// welcomes and throws out from being hammered.
pub const LIVED: Duration = Duration::from_secs(30);

/// Delay after "Invalid token", at least: each attempt blocks every agent of the same address for five minutes.
pub const DELAY_BAD_TOKEN: Duration = Duration::from_secs(60);

/// Delay after "Too many failed attempts", at least: that is how long the server refuses whoever comes.
pub const DELAY_LOCKED_OUT: Duration = Duration::from_secs(5 * 60);

/// Longest delay that a server can ask for. Stops one from sending an agent away for ever.
pub const DELAY_MAX: Duration = Duration::from_secs(60 * 60);

/// How long ending may take once asked to. Stops a server that does not read from holding up a shutdown.
pub const FAREWELL: Duration = Duration::from_millis(1500);

/// A message of the server's that is kept in memory, in bytes; larger ones are spooled. Stops one from filling memory;
/// and so much may be around the body of a larger one.
pub const MESSAGE_SMALL: usize = 1 << 20;

/// A body of Docker's that is kept in memory, in bytes; larger ones are spooled.
pub const BODY_SMALL: usize = 256 << 10;

/// Largest message that is sent, in bytes. The server takes 100 MiB and closes the connection for more.
pub const MESSAGE_SENT_MAX: u64 = 95 << 20;

/// A piece of a larger message, in bytes. Between two of them an answer to a ping can go.
pub const FRAGMENT: usize = 64 << 10;

/// What of a stream goes into one message, in bytes, before it is coded.
pub const STREAM_DATA: usize = 64 << 10;

/// A line of progress that is sent as a whole, in bytes; a longer one is cut. Stops a line that never ends.
pub const LINE_MAX: usize = 256 << 10;

/// What waits to be sent, in bytes and in messages. Whoever has more waits. Stops an engine that is faster than the
/// line from filling memory.
pub const OUTBOX_BYTES: usize = 1 << 20;
/// As [`OUTBOX_BYTES`].
pub const OUTBOX_MESSAGES: usize = 256;

/// Answers to pings that wait to be sent. Stops a server that asks faster than it reads; those over it are dropped.
pub const OUTBOX_URGENT: usize = 16;

/// Requests that the server may have open. Stops one that asks and asks from filling memory; those over it get a 503.
pub const REQUESTS_MAX: usize = 1024;

/// Requests that do not stream and that Docker has at once; others wait. Stops a dashboard of hundreds of containers
/// from opening as many connections.
pub const REQUESTS_AT_ONCE: usize = 64;

/// Spools at once; whoever needs another waits. Stops large bodies from filling a disk.
pub const SPOOLS_AT_ONCE: usize = 4;

/// Lines of compose that wait to be sent. A command that writes more waits.
pub const COMPOSE_LINES: usize = 64;

/// What a terminal shows in one message, in bytes, before it is coded.
pub const TERMINAL_DATA: usize = 16 << 10;

/// Terminals at once. Stops a server from filling memory and processes; those over it get an error.
pub const TERMINALS_MAX: usize = 64;

/// What is typed and waits for a terminal that does not read, in bytes and in messages. Stops a paste into a program
/// that hangs from filling memory; a terminal over it ends with an error.
pub const TYPED_BYTES: usize = 1 << 20;
/// As [`TYPED_BYTES`].
pub const TYPED_MESSAGES: usize = 4096;

/// An event of Docker's, in bytes; a longer one is left out. Stops a line that never ends.
pub const EVENT_LINE_MAX: usize = 1 << 20;

/// Events that are sent and that the server has not confirmed. Over it, no more are read. Stops a server that never
/// confirms from filling memory.
pub const EVENTS_UNCONFIRMED_MAX: usize = 1024;

/// Events that are remembered so that none is sent twice. Stops a burst from filling the state file.
pub const EVENTS_RECENT_MAX: usize = 4096;

/// Time between attempts to follow Docker's events, at first and at most. Stops an engine that refuses from being
/// hammered.
pub const EVENTS_DELAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Connections to the health check at once, and how long each may last. Stops whoever opens some and says nothing.
pub const HEALTH_CONNECTIONS: usize = 16;
/// As [`HEALTH_CONNECTIONS`].
pub const HEALTH_LASTS: Duration = Duration::from_secs(5);

/// Time between two measures of the machine: what servers keep and draw is made for it.
pub const METRICS_EVERY: Duration = Duration::from_secs(30);

// Between a coordinator and its nodes.

/// A piece of a tunnel, in bytes.
pub const PIECE_MAX: usize = 32 << 10;

/// A frame of HTTP/2's, in bytes: a piece, with what is around it, is one and not three.
pub const FRAME_MAX: u32 = 64 << 10;

/// What of one way of a tunnel waits in a process for HTTP/2 to take it, in bytes. Whoever has more waits.
pub const PIPE_MAX: usize = 64 << 10;

/// What of one way of a tunnel may be under way, in bytes: HTTP/2's window of a stream. Stops one that does not read
/// from filling memory.
pub const STREAM_WINDOW: u32 = 256 << 10;

/// Tunnels of one node at once, those that are being opened too. Whoever asks for more is told so.
pub const TUNNELS_PER_NODE: usize = 64;

/// What of all streams of one node may be under way, in bytes. All its tunnels may stall and others still have room.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 68;

/// Tunnels of all nodes at once. Stops a crowd that does not read from filling memory.
pub const TUNNELS_MAX: usize = 2048;

/// What a tunnel may begin with, in bytes, besides what comes by it.
pub const FIRST_MAX: usize = 16 << 10;

/// How long a node may take to open a tunnel: longer than Docker may take to accept there, which it then tells.
pub const TUNNEL_OPENS: Duration = Duration::from_secs(15);

/// A message of a node's or to it, in bytes. Stops one that never ends from filling memory.
pub const FLEET_MESSAGE_MAX: usize = 256 << 10;

/// Messages to a node that wait for it to read.
pub const ORDERS_WAITING: usize = 64;

/// Messages of a node that wait to be kept, and bytes of those and of what is being kept; it is not read further. Stops a
/// node that floods.
pub const HEARD_WAITING: usize = 16;
/// As [`HEARD_WAITING`].
pub const HEARD_BYTES: usize = 512 << 10;

/// Changes that are kept in one go.
pub const CHANGES_AT_ONCE: usize = 64;

/// Containers of a node that are looked at; those over it are left out. Stops a node gone mad from filling memory.
pub const CONTAINERS_PER_NODE: usize = 2000;
/// As [`CONTAINERS_PER_NODE`]: of all in one snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 8 << 20;

/// How long a node may take to say who it is, and then to prove it. Stops whoever connects and says nothing.
pub const HELLO: Duration = Duration::from_secs(10);

/// How long a node may take from a connection to its welcome, whatever it says.
pub const ENTRY: Duration = Duration::from_secs(45);

/// How long a node whose place somebody else wants may take to say that it is alive.
pub const PROBE: Duration = Duration::from_secs(5);

/// How long what a node told last may take to be kept once its line is over.
pub const LEAVE: Duration = Duration::from_secs(10);

/// How long a line that is over may take to say why.
pub const LAST_WORD: Duration = Duration::from_secs(1);

/// Time between two of HTTP/2's pings, and how long its answer may take. Stops a connection that is dead, and that
/// nobody told us of, from being taken for one that is quiet.
pub const FLEET_PING: Duration = Duration::from_secs(20);
/// As [`FLEET_PING`].
pub const FLEET_PONG: Duration = Duration::from_secs(20);

/// Questions to a node about samples, or whether it lives, that wait for an answer.
pub const QUESTIONS_WAITING: usize = 8;

/// What a node says of itself: each text, in bytes.
pub const NODE_TEXT_MAX: usize = 256;

/// Why a node has no tunnel, in bytes.
pub const REASON_TEXT_MAX: usize = 1024;

/// Connections of nodes at once, and of these from one address: behind one NAT there may be all of them.
pub const NODES_CONNECTED_MAX: usize = 10_000;

/// Delay before the next attempt where the coordinator says that this node is not wanted, or that another has its
/// identity, at least. Stops a node that nobody wants from being a nuisance.
pub const DELAY_UNWANTED: Duration = Duration::from_secs(60);

/// Letters of a password that people choose, at least. Stops one that can be guessed.
pub const PASSWORD_MIN: usize = 16;
/// As [`PASSWORD_MIN`], at most.
pub const PASSWORD_MAX: usize = 256;

// What a node tells.

/// Changes that the coordinator has not confirmed. Over it, no more are told. Stops a coordinator that is slow from
/// being buried, and what is told again after a cut from being much.
pub const CHANGES_UNCONFIRMED_MAX: u64 = 64;

/// Events that wait to be told, of those the engine told. Over it, the engine waits, or forgets. Stops a coordinator that
/// confirms nothing from filling memory.
pub const WATCH_EVENTS: usize = 4096;

/// Time between attempts to follow an engine, at first and at most. Stops one that is gone from being hammered.
pub const WATCH_DELAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How long an engine may take to show a container, or all of them. Stops one that hangs from being waited for.
pub const WATCH_ANSWER: Duration = Duration::from_secs(30);

/// A list of all containers, in bytes. Stops an engine gone mad from filling memory.
pub const LIST_ANSWER_MAX: usize = 32 << 20;

/// Containers in one message. Stops one from being larger than messages may be.
pub const SNAPSHOT_CONTAINERS: usize = 100;
/// Bytes of those that make it full.
pub const SNAPSHOT_BYTES: usize = 64 << 10;

/// Containers that are sampled at once, and how long each and all of them may take: whoever asks waits three seconds.
pub const SAMPLES_AT_ONCE: usize = 8;
/// As [`SAMPLES_AT_ONCE`].
pub const SAMPLE_ONE: Duration = Duration::from_secs(2);
/// As [`SAMPLES_AT_ONCE`].
pub const SAMPLE_ALL: Duration = Duration::from_millis(2500);

// What a coordinator keeps.

/// Nodes that were ever let in, and were not shut out or may come back. Stops a leaked token's owner from filling memory.
pub const NODES_MAX: usize = 10_000;

/// Enrolments that nobody has used yet. Stops a script that makes them from filling the disk.
pub const ENROLMENTS_MAX: usize = 10_000;

/// Keys of users. Stops a script that makes them from filling the disk.
pub const KEYS_MAX: usize = 1_000;

/// Ports that are nodes' sockets. Stops a script from taking all that a machine has.
pub const PORTS_MAX: usize = 256;

/// Containers of one node. Stops one that makes them up from filling memory; those over it are not kept.
pub const NODE_CONTAINERS_MAX: usize = 2_000;
/// As [`NODE_CONTAINERS_MAX`]: of all of them, in bytes of memory.
pub const NODE_CONTAINERS_BYTES: usize = 8 << 20;

/// A word that a node tells, in bytes: an id, a state, a protocol. Stops one from filling memory, as do the next four.
pub const WORD_BYTES: usize = 128;
/// A text that a node tells, in bytes: a name, an image, a command. Longer ones are cut.
pub const TEXT_BYTES: usize = 1024;
/// Names of a container, and its ports. The rest is left out.
pub const CONTAINER_LIST_MAX: usize = 64;
/// Labels of a container, or attributes of an event. The longest are left out.
pub const MAP_MAX: usize = 256;
/// Bytes of all of these together.
pub const MAP_BYTES: usize = 16 << 10;

/// Entries of the log, at most; then the oldest go. Stops a node that floods from filling the disk, as do the next two.
pub const LOG_ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of all entries.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// Time that an entry is kept.
pub const LOG_AGE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Entries that one transaction forgets. Stops a shorter retention from holding up everything until it is reached.
pub const LOG_FORGOTTEN_AT_ONCE: usize = 1024;

/// Entries that one reading looks at, and bytes of those it gives. Stops a reader of a quiet node, or of long entries,
/// from holding a thread, or memory.
pub const LOG_LOOKED_AT_MAX: usize = 20_000;
/// As [`LOG_LOOKED_AT_MAX`].
pub const LOG_PAGE_BYTES: usize = 1 << 20;

/// Orders that wait for the thread that writes; whoever has another waits. As many go into one transaction.
pub const STORE_ORDERS: usize = 256;

/// What of the file stays in memory, in bytes. The database's own default is a GiB.
pub const STORE_CACHE_BYTES: usize = 32 << 20;

/// Nodes whose news wait to be recorded, and that are recorded by one sync. Stops a node that floods from filling memory.
pub const RECORDED_AT_ONCE: usize = 256;

/// What was published last, in entries and in bytes of memory: for readers that keep up. Others read the log.
pub const RECENT_MAX: usize = 4096;
/// As [`RECENT_MAX`].
pub const RECENT_BYTES: usize = 8 << 20;

/// How long whoever reads metrics waits for what nodes use; Prometheus itself gives up after ten seconds. And how long
/// what came late, or last, stands for it. Stops nodes that say nothing from hiding the others.
pub const SAMPLES_WAITED: Duration = Duration::from_secs(3);
/// As [`SAMPLES_WAITED`].
pub const SAMPLES_KEPT: Duration = Duration::from_secs(120);

/// Entries that a reader has in hand. Stops one that does not read from holding more.
pub const SUBSCRIPTION_PAGE: usize = 64;

// Docker's.

/// Threads for what would hold up everything else: files, names of hosts. Stops either from starting hundreds.
pub const BLOCKING_THREADS: usize = 8;

/// How long Docker may take to say its version before the server is greeted without. Stops an engine that hangs from
/// keeping the agent away.
pub const DOCKER_VERSION: Duration = Duration::from_secs(5);

/// How long a Docker socket may take to accept. Stops an engine that hangs from holding requests for ever.
pub const DOCKER_CONNECT: Duration = Duration::from_secs(10);

/// What an answer of Docker's that this program reads itself may have, in bytes: `/version`, `/info`, an exec's id.
/// Stops an engine gone mad from filling memory.
pub const DOCKER_ANSWER_MAX: usize = 1 << 20;

/// Length of a token, in bytes. Stops a file that is none, such as a disk, from being read as one.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Length of an agent's id and of its name, in bytes. Stops a file that is none from being told to the server.
pub const AGENT_NAME_BYTES_MAX: usize = 256;

/// A span of time in the settings, in seconds: a day. Stops a mistyped number from meaning never.
pub const SECONDS_MAX: u32 = 24 * 60 * 60;

/// Largest message that can be allowed, in MiB. It is spooled to a disk while it passes; stops a mistyped number from
/// filling that.
pub const MESSAGE_MIB_MAX: u32 = 4096;

/// Length of a path that anything less than full access may ask for, in bytes. Stops long ones from costing anything
/// to look through.
pub const PATH_BYTES_MAX: usize = 4096;

/// How long the system may take to tell how full a disk is. Stops a network's disk whose server is gone from holding up
/// whatever else there is to tell.
pub const DISK_ANSWER: Duration = Duration::from_secs(2);

// The standard mode's.

/// Connections at once. Stops whoever opens them without end from taking all memory and descriptors.
pub const CONNECTIONS_MAX: usize = 512;

/// Of these, from one address. Stops one client from leaving no room for others.
pub const CONNECTIONS_FROM_ONE_MAX: usize = 256;

/// How long a client may take for the head of a request, and between two. Stops one that connects and says nothing.
pub const HEAD: Duration = Duration::from_secs(60);

/// What of a connection waits in memory, in bytes, and so the longest head. Stops heads that never end.
pub const CONNECTION_BUFFER_MAX: usize = 64 << 10;

/// How long a TLS handshake may take. Stops a client that begins one and no more.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection may take to become a stream once both ends have said so.
pub const UPGRADE: Duration = Duration::from_secs(10);

/// Silence before the kernel asks whether a client is still there, between its questions, and how many stay unanswered.
/// Stops those that vanished from holding a connection for ever.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// As [`KEEPALIVE_IDLE`].
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// As [`KEEPALIVE_IDLE`].
pub const KEEPALIVE_PROBES: u32 = 4;

/// How long a client may take nothing of what is sent to it. Stops one that does not read from holding its connection,
/// and a node's stream behind it, for ever.
pub const UNREAD: Duration = Duration::from_secs(60);

/// Pause when the system lets nobody in. Stops that from taking a whole processor.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long requests may still go on when asked to end.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Wrong tokens from one address before no more of it is looked at, and for how long. Stops guessing.
pub const FAILURES_MAX: u32 = 10;
/// As [`FAILURES_MAX`].
pub const FAILURES_PERIOD: Duration = Duration::from_secs(60);
/// Addresses with wrong tokens that are remembered. Stops a crowd of them from filling memory.
pub const FAILURE_SOURCES_MAX: usize = 1024;

/// Length of a certificate's or a key's file, in bytes. Stops a file that is none from being read.
pub const CERTIFICATE_BYTES_MAX: usize = 256 << 10;

// Compose's.

/// Length of a request for compose, in bytes, files and all. Stops one from filling memory.
pub const COMPOSE_REQUEST_MAX: usize = 32 << 20;

/// Commands of compose at once; others wait. Stops a server from filling a phone's memory with them.
pub const COMPOSE_AT_ONCE: usize = 4;

/// How long a command that took too long may take to end by itself, and how long whatever it left behind may keep its
/// output open. Stops one that heeds nothing.
pub const COMPOSE_FAREWELL: Duration = Duration::from_secs(5);

/// How long looking for the command may take. Stops a plugin that hangs from being waited for.
pub const COMPOSE_LOOK: Duration = Duration::from_secs(20);

/// How long a hello waits for it. Stops a machine that is busy, as with twenty agents that all look, from being taken
/// for one that is gone.
pub const COMPOSE_GREETING: Duration = Duration::from_secs(3);

/// What is told of a command's output, in bytes, each of the two. Stops one that writes without end from filling
/// memory.
pub const COMPOSE_OUTPUT_MAX: usize = 1 << 20;

/// A line of output that is told as a whole, in bytes; a longer one is cut.
pub const COMPOSE_LINE_MAX: usize = 16 << 10;

/// Variables of a stack, and the length of a name or a value in bytes: what the system takes for one.
pub const VARIABLES_MAX: usize = 4096;
/// As [`VARIABLES_MAX`].
pub const VARIABLE_BYTES_MAX: usize = 128 << 10;

/// Files of a stack, to write or to delete. Stops a server from using up a disk's inodes.
pub const STACK_FILES_MAX: usize = 4096;
/// Length of each, in bytes.
pub const STACK_FILE_BYTES_MAX: usize = 10 << 20;
/// How deep below its stack's directory a file may be.
pub const STACK_DEPTH_MAX: usize = 32;

/// Length of the name of a project, a service or a part of a path, in bytes: that of a file's.
pub const STACK_NAME_BYTES_MAX: usize = 255;

/// Services that one request may name. Stops a command line that the system refuses.
pub const STACK_SERVICES_MAX: usize = 256;

// The coordinator's users.

/// Connections of users at once. Stops whoever opens them without end from taking all memory and descriptors.
pub const API_CONNECTIONS_MAX: usize = 4096;

/// Of these, from one address. Stops one client from leaving no room for others.
pub const API_CONNECTIONS_FROM_ONE_MAX: usize = 1024;

/// How long a request to a node may take that does not stream. Stops a node that hangs from holding users for ever.
pub const API_REQUEST: Duration = Duration::from_secs(60);

/// A body of a request of the coordinator's own, in bytes. Stops one from filling memory.
pub const API_BODY_MAX: usize = 256 << 10;

/// How long that may take. Stops a client that begins one and no more.
pub const API_BODY: Duration = Duration::from_secs(30);

/// What of a list is in memory at once, in bytes. Stops a list of all containers from being there as a whole.
pub const API_LIST_PIECE: usize = 64 << 10;

/// Lines of a log in one answer, in bytes; older ones are left out. Stops a log of gigabytes from filling memory.
pub const API_LOGS_MAX: usize = 8 << 20;

/// What is told of a command's output, in bytes, each of the two. Stops one that writes without end from filling
/// memory.
pub const API_EXEC_OUTPUT_MAX: usize = 1 << 20;

/// Words of a command, and variables for it.
pub const API_EXEC_WORDS_MAX: usize = 1024;

/// Events in one answer. Stops one that asks for all from filling memory.
pub const API_EVENTS_MAX: u64 = 1000;

/// What somebody shows to come in, in bytes. Stops long ones from costing anything to look at.
pub const SECRET_BYTES_MAX: usize = 1024;

/// How long a token for a node may be good, in seconds: thirty days. Stops one that was forgotten from opening the door
/// for ever.
pub const ENROLMENT_SECONDS_MAX: u32 = 30 * 24 * 60 * 60;

/// What people call a key or a node, in characters.
pub const NAME_LENGTH_MAX: usize = 128;

/// WebSockets of users at once. Stops a crowd of observers from filling memory.
pub const SOCKETS_MAX: usize = 1024;

/// A message of a user's on a WebSocket, in bytes. Stops one from filling memory.
pub const SOCKET_MESSAGE_MAX: usize = 64 << 10;

/// Time between two pings on a WebSocket. Stops proxies from taking one that is quiet for one that is dead.
pub const SOCKET_PING: Duration = Duration::from_secs(20);

/// How long a message on a WebSocket may wait for its reader. Stops one that does not read from holding what is for it.
pub const SOCKET_WRITE: Duration = Duration::from_secs(30);

/// Connections at once to a port that is a node's Docker socket, those too that still shake hands or wait for room.
pub const PORT_VISITORS_MAX: usize = 64;

/// Connections at once to all ports of one node. Of its tunnels the others are left to those who ask otherwise.
pub const PORT_CONNECTIONS_MAX: usize = 48;

/// How long nothing goes over a connection of a port before it makes room for another where there is none: clients
/// that keep connections for ever would otherwise have all of them.
pub const PORT_SILENCE_MIN: Duration = Duration::from_secs(60);
