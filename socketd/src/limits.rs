//! Every maximum of the unprivileged side, each with the abuse it stops.
//!
//! The protocol's own maxima are in `wire::limits`. Passing one of these is a clear error or a
//! wait with an end, never a hang.

use std::time::Duration;

// What HTTP clients may do.

/// Connections served at once, over all listeners. Further ones wait in the kernel's queue.
/// Stops a client that only connects from taking every descriptor.
pub const CONNECTIONS_MAX: usize = 2048;

/// Sockets that are taken over from whoever starts this program, and no more: one for each listener. Stops an
/// environment that was not meant so from being taken for a promise.
pub const INHERITED_MAX: usize = 64;

/// Connections from one IP address, over all listeners. Stops one machine from taking every connection from
/// the others; Portainer and its like leave some dozens idle.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;

/// Connections from one user over unix sockets. More than from an address: on a small machine nearly
/// everything that may use the socket is the same user, and no stranger is.
pub const CONNECTIONS_PER_USER_MAX: usize = 1792;

/// Descriptors this process asks the system for: connections, and the link behind them. Where it
/// gives fewer, later clients wait.
pub const DESCRIPTORS_MAX: u64 = 4096;

/// Memory that this process can write to, in bytes: several times what all buffers named here and the stacks
/// of all threads add up to. Stops a leak, or whoever found one, from taking that of the whole machine.
pub const MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Threads and processes of this process's user: twice the readers of logs that the runtime starts at
/// once. The filter of system calls forbids processes; this bounds them where there is none.
pub const THREADS_MAX: u64 = 1024;

/// How long a client may take nothing of what is ready for it. Stops one that does not read from
/// holding its connection, and what is buffered for it, for ever.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);

/// Silence after which the kernel asks whether a TCP client is still there, and between two such
/// questions. A client that vanished without a word is noticed without this process waking up.
pub const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// As above, between two questions.
pub const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions without an answer that end a connection.
pub const TCP_KEEPALIVE_PROBES: u32 = 4;

/// How long a request's head may take once its first byte has come. Ends a client that sends it a byte at a
/// time to hold a connection.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a connection that was accepted and has not asked anything yet may still take for its first request, once
/// the process is to end. A client that connects asks at once; stops one that never does from holding up the end.
pub const FIRST_HEAD_AT_END_MAX: Duration = Duration::from_millis(500);

/// Header lines of a request. Stops thousands of tiny ones from costing more than their bytes.
pub const HEAD_LINES_MAX: usize = 100;

/// How long a connection may stay silent before its first request and between requests. Portainer leaves a
/// connection behind after every snapshot; this is what ends them.
pub const IDLE_MAX: Duration = Duration::from_secs(90);

/// How long a client may take from connecting to the end of the handshake of TLS. Stops one that
/// only connects from holding a connection for as long as it likes.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Largest file of certificates, in bytes. Stops a path to something endless from filling the memory.
pub const CERTIFICATE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes one connection buffers at most: the longest request head, and the largest piece of a
/// body that is read at once. Stops many connections from adding up.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Longest JSON body, in bytes. Nothing larger than the protocol's own request could be passed on.
pub const JSON_BODY_BYTES_MAX: usize = 512 * 1024;

/// Longest sentence of the HTTP framework that is passed on, in bytes. It may hold part of what was asked.
pub const FRAMEWORK_SENTENCE_BYTES_MAX: usize = 4096;

/// How long a JSON body may take to arrive. Stops a client that promises a body and never sends it.
pub const JSON_BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest body of a refused request that is still waited for, in bytes. A client that is still writing when its
/// connection ends may never see why; stops refused ones from sending for longer.
pub const REFUSED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Longest wait for it. Stops one that promises a body and sends none.
pub const REFUSED_BODY_TIME_MAX: Duration = Duration::from_millis(500);

/// Longest uploaded tar, in bytes. Stops an endless upload from filling the disk; the bridge has
/// limits of its own on what it unpacks.
pub const UPLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// Longest silence within an upload, on either side. Stops a stalled client, or a stalled bridge,
/// from holding half an image open.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(120);

/// Bytes of a tar on its way to a client that are held at once. A client that reads slowly makes the
/// bridge's side wait, not this one grow.
pub const ARCHIVE_PART_BYTES_MAX: usize = 64 * 1024;

/// Longest silence of the bridge within a tar on its way to a client: packing reads the disk.
pub const ARCHIVE_SILENCE_MAX: Duration = Duration::from_secs(120);

/// How long requests that run may go on once the process was asked to end.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How long the bridge may take to answer those who only look whether it does. Stops a stalled bridge from
/// stalling whoever watches over it.
pub const HEALTH_TIME_MAX: Duration = Duration::from_secs(2);

/// Longest answer of a socketd that `status` and `doctor` ask how it fares, its head included, in bytes. Stops
/// whatever answers in its place from filling the memory.
pub const HEALTH_ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// How long, at the end of this process, what a client still says on its stream is read and thrown away: the
/// kernel makes a reset of an end with bytes that nobody read.
pub const LINGER_MAX: Duration = Duration::from_secs(1);

/// Pause after an `accept` that failed for want of descriptors or memory. Stops the loop from
/// spinning on an error that only time can cure.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest name of a host on the command line, in bytes: DNS has no longer ones.
pub const HOST_NAME_BYTES_MAX: usize = 253;

// What is asked of the bridge.

/// Idle and busy connections to one socket of the bridge, those of long calls not counted. Each
/// holds a thread of the bridge.
pub const LINK_CONNECTIONS_MAX: usize = 8;

/// Connections kept open while nobody uses them, for each socket of the bridge.
pub const LINK_IDLE_MAX: usize = 2;

/// Calls that wait for a connection, for each socket. Stops a flood of requests from becoming a
/// flood of memory; the next one is answered 503.
pub const LINK_WAITING_MAX: usize = 256;

/// Long calls at once (waits, stops, uploads). Each holds a connection and a thread of the bridge.
pub const LONG_CALLS_MAX: usize = 128;

/// How long connecting to the bridge may take. A socket of this machine answers at once or not.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// Before trying again to connect to a bridge whose queue is full: it is worked off in that time.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(2);

/// How long a question may take, waiting for a connection included. The bridge answers from memory.
pub const ASK_TIME_MAX: Duration = Duration::from_secs(10);

/// How long an order may take, waiting for a connection included: launching, killing, unmounting.
pub const ACT_TIME_MAX: Duration = Duration::from_secs(60);

/// How long the bridge may still take once all of an upload was sent: unpacking and syncing.
pub const IMPORT_TIME_MAX: Duration = Duration::from_secs(600);

/// What a stop may take beyond its own timeout: longer than the bridge waits for a killed container to be
/// gone, so that its words about one that is not are heard.
pub const STOP_MARGIN: Duration = Duration::from_secs(40);

/// What a list of the bridge may decode to, in bytes on the wire. Stops a confused bridge from
/// sending frames without end.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Buffer a connection to the bridge keeps between calls, in bytes. A long list does not leave
/// its buffer behind.
pub const LINK_BUFFER_KEPT_BYTES_MAX: usize = 16 * 1024;

// What is asked of, and remembered for, a bridge that speaks version 1.

/// Containers listed. More than the protocol's longest list of images, by whose names containers are
/// found that do not fit a list; stops a confused bridge from filling the memory.
pub const STOCK_CONTAINERS_MAX: usize = 1024;

/// Ports shown of one container. Stops sixteen ranges from becoming a million ports.
pub const STOCK_PORTS_MAX: usize = 1024;

/// Events remembered. More than one answer holds, so that none of an answer is forgotten before the
/// next and told twice.
pub const STOCK_EVENTS_MAX: usize = 4096;

/// How long the dialer may take to give up its power, before anything is served.
pub const DIALER_START_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest sentence, in bytes, in which the dialer may say why it did not start.
pub const DIALER_SENTENCE_BYTES_MAX: usize = 1024;

/// Descriptors of the dialer. It has four at most; but before it passes one on, the kernel also holds
/// against this how many descriptors of root's are under way between any processes of the machine.
pub const DIALER_DESCRIPTORS_MAX: u64 = 64;

/// Address space of the dialer, in bytes: this program, and nothing that grows.
pub const DIALER_MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Between two looks at events or at a container, while somebody waits for them. The protocol tells
/// nothing by itself, and its times are whole seconds.
pub const STOCK_PERIOD: Duration = Duration::from_secs(1);

// Events.

/// Events held for readers that are behind. A reader further behind goes back to the journal;
/// a slow reader costs nobody memory.
pub const FEED_EVENTS_MAX: usize = 256;

/// Readers of events at once. Stops one client from taking every connection for streams.
pub const FEED_READERS_MAX: usize = 1536;

/// Events asked for at once when reading from the journal.
pub const FEED_PAGE_EVENTS: u32 = 256;

/// First pause before subscribing again after the bridge went away.
pub const FEED_PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest such pause. Bounds how late a stream goes on after the bridge has returned.
pub const FEED_PAUSE_MAX: Duration = Duration::from_secs(2);

// Streams of a container: its log, attachments, further processes.

/// Bytes read from a log at once. With what is made of them, twice over, this is what one reader
/// holds; one that waits holds nothing. Large enough for a few hundred MB a second.
pub const LOG_PIECE_BYTES: usize = 256 * 1024;

/// Bytes read at once on the way from a log's end towards its beginning.
pub const LOG_TAIL_BYTES: usize = 64 * 1024;

/// Bytes before the place reached in a log without entries that are kept and compared, so that a
/// file that was cut and begun again is noticed. Bounds what each follower holds while it waits.
pub const LOG_PLACE_BYTES: usize = 256;

/// Longest frame of a log, in bytes, its header included. A line that is longer goes in several;
/// clients keep a frame in memory.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes read at once from a pipe, a terminal or a client. Docker's own frames are no longer.
pub const STREAM_BYTES: usize = 32 * 1024;

/// Connections that were taken over by a stream, at once. They no longer count as connections of
/// HTTP; this stops them from taking every descriptor instead.
pub const STREAMS_MAX: usize = 256;

/// Of them, those of one address or user. Stops one from taking them all.
pub const STREAMS_PER_CALLER_MAX: usize = 192;

/// How long a stream stays silent after the head of its answer. Some clients lose bytes that arrive
/// together with the head; Docker, which starts a process first, is never that fast.
pub const STREAM_PAUSE: Duration = Duration::from_millis(4);

/// Sizes kept for terminals of processes that were not started yet. The oldest makes room.
pub const SIZES_MAX: usize = 256;
// What containers use.

/// Readers of statistics at once. Stops one client from taking every connection for streams.
pub const STATS_READERS_MAX: usize = 128;

/// Between two readings of what a container uses, while anybody reads. Docker's own pace, which
/// clients compute their rates by.
pub const STATS_PERIOD: Duration = Duration::from_secs(1);

// Who asks.

/// Wrong tokens from one address or user, within [`FAILURES_PERIOD`], after which none from there is
/// looked at. Stops somebody who guesses.
pub const FAILURES_MAX: u32 = 10;

/// How long wrong tokens are remembered, and how long their source is barred at most.
pub const FAILURES_PERIOD: Duration = Duration::from_secs(60);

/// Addresses and users whose wrong tokens are counted. Stops one with many addresses from filling memory.
pub const FAILURE_SOURCES_MAX: usize = 1024;

/// Longest configuration file, in bytes. Stops a path to something endless from filling the memory.
pub const CONFIG_BYTES_MAX: u64 = 256 * 1024;
