package stage

import "testing"

// Test is [New] for a test, with [Sample] in a directory of the test's own. It
// is taken down with the test, which fails if the provider was called in a way
// that its documentation does not have.
func Test(t testing.TB) *Stage {
	t.Helper()
	s, err := New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range s.Forge.Violations() {
			t.Errorf("the provider was called in a way its documentation does not have: %s", v)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
