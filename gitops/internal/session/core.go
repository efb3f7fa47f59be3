package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidebot-dev/tidebot/gitops"
	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
)

// Core is the core as a front-end sees it. It is a frontend.Core.
type Core struct {
	client pb.CoreServiceClient
}

// Execute hands over a request and returns its result.
func (c *Core) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	p, err := pb.RequestToProto(req)
	if err != nil {
		return gitops.Result{}, fmt.Errorf("hand over request %s: %w", req.ID(), err)
	}
	// However this returns, the stream is over.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.client.Execute(ctx, &pb.ExecuteRequest{Request: p})
	if err != nil {
		return gitops.Result{}, fmt.Errorf("hand over request %s: %w", req.ID(), err)
	}
	for {
		ev, err := stream.Recv()
		if err == io.EOF {
			err = errors.New("the core sent no result")
		}
		if err != nil {
			return gitops.Result{}, fmt.Errorf("wait for request %s: %w", req.ID(), err)
		}
		switch e := ev.GetEvent().(type) {
		case *pb.ExecuteEvent_Progress:
			progress, err := pb.ProgressFromProto(e.Progress)
			if err != nil {
				return gitops.Result{}, fmt.Errorf("read progress of request %s: %w", req.ID(), err)
			}
			if report != nil {
				report(progress)
			}
		case *pb.ExecuteEvent_Result:
			result, err := pb.ResultFromProto(e.Result)
			if err != nil {
				return gitops.Result{}, fmt.Errorf("read result of request %s: %w", req.ID(), err)
			}
			return result, nil
		}
	}
}
