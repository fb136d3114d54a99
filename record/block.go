package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	magic      = "capmon recording"
	version    = 1
	fileHead   = len(magic) + 4
	blockMagic = "cblk"
	blockHead  = 40
	// sealAt is when a block is full, mostBlock what a reader takes: an event
	// has at most mostEvent.
	sealAt    = 1 << 20
	mostBlock = 4 << 20
	mostEvent = 512 << 10

	blockWindow = 1 << 20
)

// kind is what a block holds.
type kind uint8

const (
	aboutBlock kind = 1
	slowBlock  kind = 2
	fastBlock  kind = 3
	endBlock   kind = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// block is the head of a block, and where it lies.
type block struct {
	at             int64 // offset of its payload
	stored, length uint32
	first, last    int64 // Unix nanoseconds
	checksum       uint32
	kind           kind
}

// append writes a block: its head, then payload compressed.
func (b block) append(to, payload []byte, z *zstd.Encoder) []byte {
	at := len(to)
	to = append(to, make([]byte, blockHead)...)
	to = z.EncodeAll(payload, to)
	stored := to[at+blockHead:]
	h := to[at : at+blockHead]
	copy(h, blockMagic)
	h[4] = byte(b.kind)
	le := binary.LittleEndian
	le.PutUint32(h[8:], uint32(len(stored)))
	le.PutUint32(h[12:], uint32(len(payload)))
	le.PutUint64(h[16:], uint64(b.first))
	le.PutUint64(h[24:], uint64(b.last))
	le.PutUint32(h[32:], crc32.Checksum(stored, castagnoli))
	le.PutUint32(h[36:], crc32.Checksum(h[:36], castagnoli))
	return to
}

var errBlock = errors.New("no block")

// parseHead reads the head of a block.
func parseHead(h []byte) (block, error) {
	le := binary.LittleEndian
	if len(h) < blockHead || string(h[:4]) != blockMagic || crc32.Checksum(h[:36], castagnoli) != le.Uint32(h[36:]) {
		return block{}, errBlock
	}
	b := block{
		kind: kind(h[4]), stored: le.Uint32(h[8:]), length: le.Uint32(h[12:]),
		first: int64(le.Uint64(h[16:])), last: int64(le.Uint64(h[24:])), checksum: le.Uint32(h[32:]),
	}
	if b.stored > mostBlock || b.length > mostBlock || b.last < b.first || b.first < 0 || b.last > math.MaxInt64/2 {
		return block{}, fmt.Errorf("%w: it claims %d bytes, %d unpacked", errBlock, b.stored, b.length)
	}
	return b, nil
}

// newEncoder and newDecoder use one goroutine and little memory.
func newEncoder(window int) *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // only an option that is nonsense
	}
	return z
}

func newDecoder() *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(mostBlock), zstd.WithDecoderMaxWindow(mostBlock))
	if err != nil {
		panic(err)
	}
	return z
}

// whole says whether a payload is the one that was written.
func (b block) whole(stored []byte) bool { return crc32.Checksum(stored, castagnoli) == b.checksum }

// unpack checks a payload as stored and decompresses it into buf.
func (b block) unpack(stored, buf []byte, z *zstd.Decoder) ([]byte, error) {
	if !b.whole(stored) {
		return nil, fmt.Errorf("%w: its checksum differs", errBlock)
	}
	out, err := z.DecodeAll(stored, buf[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	if len(out) != int(b.length) {
		return nil, fmt.Errorf("%w: %d bytes unpacked, it claims %d", errBlock, len(out), b.length)
	}
	return out, nil
}

func moment(ns int64) time.Time { return time.Unix(0, ns) }
