package gitwire

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// A hash is the object ID of a Git object.
type hash = plumbing.Hash

// A rawObject is a Git object as it is hashed, without its header.
type rawObject struct {
	kind plumbing.ObjectType
	data []byte
}

// A commitNode is what is kept of a commit when its files are dropped.
type commitNode struct {
	id, tree          hash
	parents           []hash
	author, committer object.Signature
	message           string
}

// A store holds the objects of one branch. It only grows; what is no longer
// needed goes when the branch moves on to a smaller copy, see compact. Safe
// for concurrent use.
type store struct {
	mu      sync.RWMutex
	objects map[hash]rawObject
	size    int
	// commits holds commits whose files may be missing.
	commits map[hash]*commitNode
	// cut is the border of what may be claimed to be here: all that can be
	// reached from the tip without going beyond these commits.
	cut map[hash]bool
}

func newStore() *store {
	return &store{
		objects: make(map[hash]rawObject),
		commits: make(map[hash]*commitNode),
		cut:     make(map[hash]bool),
	}
}

func (s *store) get(h hash, kind plumbing.ObjectType) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[h]
	if !ok || o.kind != kind {
		return nil, false
	}
	return o.data, true
}

func (s *store) commit(h hash) (*commitNode, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.commits[h]
	return c, ok
}

// border returns the commits at which the history in the store is cut off.
func (s *store) border() []hash {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.cut))
}

// add puts objects into the store, and moves the border.
func (s *store) add(objects map[hash]rawObject, cut, uncut []hash) error {
	nodes := make([]*commitNode, 0, 8)
	for h, o := range objects {
		if o.kind != plumbing.CommitObject {
			continue
		}
		c, err := decodeCommit(h, o.data)
		if err != nil {
			return err
		}
		nodes = append(nodes, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, o := range objects {
		if _, ok := s.objects[h]; !ok {
			s.objects[h] = o
			s.size += len(o.data)
		}
	}
	for _, c := range nodes {
		s.commits[c.id] = c
	}
	for _, h := range cut {
		s.cut[h] = true
	}
	for _, h := range uncut {
		delete(s.cut, h)
	}
	return nil
}

// join moves the border down where the commits below a cut are here with all
// their files: the server cuts where it was asked to, whatever is here.
func (s *store) join() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.cut {
		c, ok := s.commits[h]
		whole := ok && len(c.parents) > 0
		for i := 0; whole && i < len(c.parents); i++ {
			_, whole = s.objects[c.parents[i]]
		}
		if whole {
			delete(s.cut, h)
		}
	}
}

// compact returns a copy with nothing but the files of tip and at most keep
// commits of its history. It fails if files of tip are missing.
func (s *store) compact(tip hash, keep int) (*store, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := newStore()
	n.cut[tip] = true
	take := func(h hash) bool {
		o, ok := s.objects[h]
		if _, had := n.objects[h]; ok && !had {
			n.objects[h] = o
			n.size += len(o.data)
		}
		return ok
	}
	c, ok := s.commits[tip]
	if !ok || !take(tip) {
		return nil, fmt.Errorf("commit %s is missing", tip)
	}
	todo := []hash{c.tree}
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, done := n.objects[h]; done {
			continue
		}
		if !take(h) {
			return nil, fmt.Errorf("tree %s is missing", h)
		}
		err := eachEntry(n.objects[h].data, func(e entry) bool {
			switch {
			case e.isTree():
				todo = append(todo, e.hash)
			case !e.isSubmodule():
				take(e.hash) // a large file may have been left out
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	q := &byDate{c}
	for len(*q) > 0 && len(n.commits) < keep {
		c := q.pop()
		if n.commits[c.id] != nil {
			continue
		}
		n.commits[c.id] = c
		for _, p := range c.parents {
			if pc, ok := s.commits[p]; ok {
				q.push(pc)
			}
		}
	}
	return n, nil
}

func (s *store) bytes() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// byDate is a queue of commits, newest committer date first. It is kept in
// order, because the few branches that are open at a time want no heap.
type byDate []*commitNode

func (q *byDate) push(c *commitNode) {
	i, _ := slices.BinarySearchFunc(*q, c, func(a, b *commitNode) int { return a.committer.When.Compare(b.committer.When) })
	*q = slices.Insert(*q, i, c)
}

func (q *byDate) pop() *commitNode {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

func decodeCommit(id hash, data []byte) (*commitNode, error) {
	mem := new(plumbing.MemoryObject)
	mem.SetType(plumbing.CommitObject)
	if _, err := mem.Write(data); err != nil {
		return nil, fmt.Errorf("read commit %s: %w", id, err)
	}
	var c object.Commit
	if err := c.Decode(mem); err != nil {
		return nil, fmt.Errorf("read commit %s: %w", id, err)
	}
	return &commitNode{
		id: id, tree: c.TreeHash, parents: c.ParentHashes,
		author: c.Author, committer: c.Committer, message: c.Message,
	}, nil
}

// encodeCommit writes a commit with one parent, as git commit-tree does.
func encodeCommit(tree, parent hash, author, committer person, when time.Time, message string) ([]byte, error) {
	if strings.ContainsRune(message, 0) {
		return nil, fmt.Errorf("message of the commit holds a NUL")
	}
	if strings.TrimSpace(message) == "" {
		return nil, fmt.Errorf("commit has no message")
	}
	if when.IsZero() {
		return nil, fmt.Errorf("commit has no time")
	}
	var b bytes.Buffer
	stamp := fmt.Sprintf("%d %s", when.Unix(), when.Format("-0700"))
	fmt.Fprintf(&b, "tree %s\nparent %s\n", tree, parent)
	fmt.Fprintf(&b, "author %s %s\ncommitter %s %s\n\n", author, stamp, committer, stamp)
	b.WriteString(strings.TrimRight(strings.ToValidUTF8(message, "\uFFFD"), "\n"))
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// A person is "name <email>", fit for the header of a commit.
type person string

// newPerson drops what would end the name or the line, as Git itself does.
func newPerson(name, email string) (person, error) {
	clean := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, "\uFFFD"))
		return strings.Trim(s, " .,:;\"\\'")
	}
	name, email = clean(name), clean(email)
	if name == "" {
		return "", fmt.Errorf("commit has an author or committer without a name")
	}
	return person(name + " <" + email + ">"), nil
}

// An entry is a line of a tree: a file, a directory, a link or a submodule.
type entry struct {
	mode, name string
	hash       hash
	at         int // where its 20 bytes of hash are in the tree
}

func (e entry) isTree() bool      { return e.mode == "40000" || e.mode == "040000" }
func (e entry) isSubmodule() bool { return e.mode == "160000" }
func (e entry) isLink() bool      { return e.mode == "120000" }
func (e entry) isFile() bool      { return strings.HasPrefix(e.mode, "100") }

// eachEntry calls fn with each entry of a tree until fn returns false.
func eachEntry(tree []byte, fn func(entry) bool) error {
	const hashLen = len(hash{})
	for at := 0; at < len(tree); {
		space := bytes.IndexByte(tree[at:], ' ')
		if space < 0 {
			return fmt.Errorf("tree is malformed")
		}
		mode := string(tree[at : at+space])
		at += space + 1
		end := bytes.IndexByte(tree[at:], 0)
		if end < 0 || len(tree)-(at+end+1) < hashLen {
			return fmt.Errorf("tree is malformed")
		}
		e := entry{mode: mode, name: string(tree[at : at+end]), at: at + end + 1}
		copy(e.hash[:], tree[e.at:])
		at = e.at + hashLen
		if !fn(e) {
			return nil
		}
	}
	return nil
}

// findEntry returns the entry of that name.
func findEntry(tree []byte, name string) (found entry, ok bool, err error) {
	err = eachEntry(tree, func(e entry) bool {
		if e.name == name {
			found, ok = e, true
		}
		return !ok
	})
	return found, ok, err
}
