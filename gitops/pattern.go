package gitops

// A TagRule names how a CI makes an image tag of a branch name.
type TagRule string
