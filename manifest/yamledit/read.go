package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

// A file is a parsed file. The nodes' positions are those in src, because the
// documents are decoded from the whole of it.
type file struct {
	src     []byte
	docs    []*yaml.Node
	objects []*object
	lines   []int // offset of each line, made by offset on first use
}

// read parses src and finds its objects.
func read(src []byte) (*file, error) {
	if len(src) > MaxSize {
		return nil, refuse(manifest.ErrUnsupported, manifest.Location{}, 0, "the file is larger than %d MiB", MaxSize>>20)
	}
	if !utf8.Valid(src) {
		return nil, refuse(manifest.ErrSyntax, manifest.Location{}, 0, "the file is not UTF-8")
	}
	f := &file{src: src}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		doc, err := decode(dec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxError(src, err)
		}
		f.docs = append(f.docs, doc)
	}
	for _, doc := range f.docs {
		root := doc.Content[0]
		if line := sopsLine(root); line > 0 {
			return nil, refuse(manifest.ErrUnsupported, manifest.Location{}, line,
				"the file is encrypted with SOPS, whose checksum covers every value")
		}
		f.collect(root, []*yaml.Node{root}, nil)
	}
	return f, nil
}

// decode returns the next document. The parser is not ours and reads hostile
// input: if it panics, the file is at fault and not the program.
func decode(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser broke: %v", r)
		}
	}()
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// syntaxError says what the parser found. Its line may be one too early.
func syntaxError(src []byte, err error) error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(reason, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, reason = n, rest
			}
		}
	}
	if bytes.Contains(src, []byte("{{")) {
		reason = "the file holds {{ template braces }} and becomes YAML only when Helm has rendered it (" + reason + ")"
	}
	return refuse(manifest.ErrSyntax, manifest.Location{}, line, "%s", clean(reason, 300))
}

// sopsLine returns the line of the metadata that SOPS adds to a document, 0 if
// there is none. https://getsops.io/docs/#message-authentication-code
func sopsLine(root *yaml.Node) int {
	for _, h := range fields(root, "sops") {
		if len(fields(target(h.value), "mac")) > 0 {
			return h.key.Line
		}
	}
	return 0
}

// refuse makes the error for what cannot be done.
func refuse(kind error, loc manifest.Location, line int, format string, args ...any) *manifest.Error {
	return &manifest.Error{Location: loc, Line: line, Reason: fmt.Sprintf(format, args...), Err: kind}
}
