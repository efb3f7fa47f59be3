package gitwire

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/tidebot-dev/tidebot/gitops"
)

// A candidate is a commit that is not yet on the branch. It is made once and
// pushed as often as it takes: another try with the same bytes has the same
// ID, so it can be told from what others push.
type candidate struct {
	id, parent hash
	objects    map[hash]rawObject
	pack       []byte
}

// newCandidate makes a commit on top of a snapshot. Only what changes is new:
// the files, the trees on the way to them, and the commit.
func newCandidate(snap *snapshot, c gitops.Commit) (*candidate, error) {
	if len(c.Files) == 0 {
		return nil, errors.New("make commit: it has no files")
	}
	base, ok := snap.store.commit(snap.tip)
	if !ok {
		return nil, fmt.Errorf("make commit: %w", errMissing)
	}
	cand := &candidate{parent: snap.tip, objects: make(map[hash]rawObject)}
	var edits []edit
	for _, path := range slices.Sorted(maps.Keys(c.Files)) {
		names, err := splitPath(path)
		if err != nil {
			return nil, fmt.Errorf("make commit: %w", err)
		}
		if len(c.Files[path]) > maxFile {
			return nil, fmt.Errorf("make commit: %s becomes larger than %d MiB", inert(path), maxFile>>20)
		}
		edits = append(edits, edit{names: names, data: bytes.Clone(c.Files[path])})
	}
	root, err := cand.splice(snap.store, base.tree, edits)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	if root == base.tree {
		return nil, errors.New("make commit: nothing changes")
	}
	author, err := newPerson(c.Author.Name, c.Author.Email)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	committer, err := newPerson(c.Committer.Name, c.Committer.Email)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	data, err := encodeCommit(root, snap.tip, author, committer, c.Time, c.Message)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	cand.id = cand.add(plumbing.CommitObject, data)
	// The server takes a commit on any parent if the branch is where we say:
	// it does not look whether one follows the other.
	node, err := decodeCommit(cand.id, data)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	if len(node.parents) != 1 || node.parents[0] != cand.parent || node.tree != root {
		return nil, fmt.Errorf("make commit: %s does not follow %s", cand.id, cand.parent)
	}
	var pack bytes.Buffer
	if err := writePack(&pack, cand.objects); err != nil {
		return nil, fmt.Errorf("make commit: write pack: %w", err)
	}
	cand.pack = pack.Bytes()
	return cand, nil
}

func (c *candidate) add(kind plumbing.ObjectType, data []byte) hash {
	h := plumbing.ComputeHash(kind, data)
	c.objects[h] = rawObject{kind: kind, data: data}
	return h
}

// An edit is the new contents of a file, by the names on the way to it.
type edit struct {
	names []string
	data  []byte
}

// splice makes a tree with other contents of some files, and every other byte
// of it as it was: order, names, modes.
func (c *candidate) splice(s *store, root hash, edits []edit) (hash, error) {
	old, ok := s.get(root, plumbing.TreeObject)
	if !ok {
		return hash{}, errMissing
	}
	data := bytes.Clone(old)
	for len(edits) > 0 {
		name := edits[0].names[0]
		group := edits
		if i := slices.IndexFunc(edits, func(e edit) bool { return e.names[0] != name }); i >= 0 {
			group = edits[:i]
		}
		edits = edits[len(group):]

		e, ok, err := findEntry(old, name)
		switch {
		case err != nil:
			return hash{}, err
		case !ok:
			return hash{}, fmt.Errorf("%s: %w", inert(name), fs.ErrNotExist)
		}
		h := e.hash
		if len(group[0].names) == 1 {
			if len(group) > 1 {
				return hash{}, fmt.Errorf("%s is a file and a directory", inert(name))
			}
			before, err := readRegular(s, e)
			if err != nil {
				return hash{}, fmt.Errorf("%s: %w", inert(name), err)
			}
			if !bytes.Equal(before, group[0].data) {
				h = c.add(plumbing.BlobObject, group[0].data)
			}
		} else {
			if err := e.passable(); err != nil {
				return hash{}, err
			}
			below := make([]edit, len(group))
			for i, g := range group {
				below[i] = edit{names: g.names[1:], data: g.data}
			}
			if h, err = c.splice(s, e.hash, below); err != nil {
				return hash{}, fmt.Errorf("%s/%w", inert(name), err)
			}
		}
		copy(data[e.at:], h[:])
	}
	if bytes.Equal(data, old) {
		return root, nil
	}
	return c.add(plumbing.TreeObject, data), nil
}
