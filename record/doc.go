// Package record keeps what arrives at a viewer in a file, and reads it back:
// each event with the moment it arrived, so that a fleet fed from the file goes
// through what the live one went through.
//
// It has no clock: times are arguments. It knows nothing of a fleet: events go
// in, events come out.
//
// # The file
//
// All numbers are little endian.
//
//	"capmon recording"   16 bytes
//	version              uint32, now 1; a later one is refused
//	blocks               until the end of the file
//
// A block is a head of 40 bytes and a payload, compressed with Zstandard:
//
//	 0  "cblk"
//	 4  kind      uint8: 1 about the recording, 2 slow, 3 fast, 4 end; others are skipped
//	 5  zero      3 bytes
//	 8  stored    uint32, bytes of the payload in the file, at most 4 MiB
//	12  length    uint32, bytes of the payload itself, at most 4 MiB
//	16  first     int64, arrival of its first event, Unix nanoseconds
//	24  last      int64, of the one that arrived last
//	32  checksum  uint32, CRC-32C of the payload as stored
//	36  checksum  uint32, CRC-32C of bytes 0 to 35
//
// The first block is about the recording: [About] as JSON. The payload of a slow
// or a fast block is events, each
//
//	length    uvarint, of what follows
//	what      uint8, see [What]; others are skipped
//	number    uvarint, counts all events of the file from 1
//	arrived   varint, nanoseconds after the block's first
//	host      uvarint length, then text
//	the rest  by What
//
// Samples, points and details are in it as the encoded messages of package
// sample, each with its length before it. Slow blocks hold all but samples and
// details, and the first sample of each run of an agent: who is there and the
// ten-second points. So a moment is rebuilt from all slow blocks before it and
// the fast ones of the minutes before it, put in order by their numbers.
//
// Each block stands alone and is written at once. A recorder that is killed
// leaves whole blocks and at most one that is torn, which ends the recording for
// a reader; an end block says that nothing is missing.
package record
