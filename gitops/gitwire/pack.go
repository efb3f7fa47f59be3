package gitwire

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

const (
	// maxPack bounds a pack on the wire, and maxObjects what it inflates to.
	maxPack    = 256 << 20
	maxObjects = 512 << 20
)

var errTooLarge = errors.New("more objects than fit")

// writePack writes objects as a pack without deltas (gitformat-pack(5)). Each
// object is in it once: a map cannot hold two of the same ID.
func writePack(w io.Writer, objects map[hash]rawObject) error {
	sum := sha1.New()
	out := io.MultiWriter(w, sum)
	header := []byte("PACK\x00\x00\x00\x02")
	header = binary.BigEndian.AppendUint32(header, uint32(len(objects)))
	if _, err := out.Write(header); err != nil {
		return err
	}
	ids := slices.SortedFunc(maps.Keys(objects), func(a, b hash) int { return bytes.Compare(a[:], b[:]) })
	z := zlib.NewWriter(out)
	for _, id := range ids {
		o := objects[id]
		size := len(o.data)
		head := []byte{byte(o.kind)<<4 | byte(size&0x0f)}
		for size >>= 4; size > 0; size >>= 7 {
			head[len(head)-1] |= 0x80
			head = append(head, byte(size&0x7f))
		}
		if _, err := out.Write(head); err != nil {
			return err
		}
		z.Reset(out)
		if _, err := z.Write(o.data); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// readPack reads a pack, whose deltas may build on objects of base.
func readPack(r io.Reader, base *store) (map[hash]rawObject, error) {
	in := &intake{base: base, objects: make(map[hash]rawObject)}
	p, err := packfile.NewParserWithStorage(packfile.NewScanner(r), in, in)
	if err != nil {
		return nil, fmt.Errorf("read pack: %w", err)
	}
	if _, err := p.Parse(); err != nil {
		if errors.Is(err, packfile.ErrEmptyPackfile) {
			return in.objects, nil
		}
		return nil, fmt.Errorf("read pack: %w", err)
	}
	return in.objects, nil
}

// intake is where the parser of packs puts objects, and where it looks for
// the bases of deltas. It also watches how much there is.
type intake struct {
	base     *store
	objects  map[hash]rawObject
	declared int64
	size     int64
}

func (in *intake) OnHeader(uint32) error { return nil }

func (in *intake) OnInflatedObjectHeader(_ plumbing.ObjectType, size, _ int64) error {
	in.declared += size
	if in.declared > 2*maxObjects {
		return errTooLarge
	}
	return nil
}

func (in *intake) OnInflatedObjectContent(hash, int64, uint32, []byte) error { return nil }

func (in *intake) OnFooter(hash) error { return nil }

func (in *intake) NewEncodedObject() plumbing.EncodedObject { return new(plumbing.MemoryObject) }

func (in *intake) SetEncodedObject(o plumbing.EncodedObject) (hash, error) {
	in.size += o.Size()
	if in.size > maxObjects {
		return hash{}, errTooLarge
	}
	r, err := o.Reader()
	if err != nil {
		return hash{}, err
	}
	defer r.Close()
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return hash{}, err
	}
	h := o.Hash()
	in.objects[h] = rawObject{kind: o.Type(), data: data}
	return h, nil
}

func (in *intake) find(h hash) (rawObject, error) {
	if o, ok := in.objects[h]; ok {
		return o, nil
	}
	in.base.mu.RLock()
	defer in.base.mu.RUnlock()
	if o, ok := in.base.objects[h]; ok {
		return o, nil
	}
	return rawObject{}, plumbing.ErrObjectNotFound
}

func (in *intake) EncodedObject(kind plumbing.ObjectType, h hash) (plumbing.EncodedObject, error) {
	o, err := in.find(h)
	if err != nil {
		return nil, err
	}
	if kind != plumbing.AnyObject && kind != o.kind {
		return nil, plumbing.ErrObjectNotFound
	}
	m := new(plumbing.MemoryObject)
	m.SetType(o.kind)
	_, err = m.Write(o.data)
	return m, err
}

func (in *intake) HasEncodedObject(h hash) error {
	_, err := in.find(h)
	return err
}

func (in *intake) EncodedObjectSize(h hash) (int64, error) {
	o, err := in.find(h)
	return int64(len(o.data)), err
}

func (in *intake) IterEncodedObjects(plumbing.ObjectType) (storer.EncodedObjectIter, error) {
	return storer.NewEncodedObjectSliceIter(nil), nil
}

func (in *intake) AddAlternate(string) error { return errors.New("no alternates here") }
