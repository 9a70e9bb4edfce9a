package bench

import "context"

func slow(ctx context.Context, t *trial) error           { return nil }
func drain(ctx context.Context, t *trial) error          { return nil }
func fewDescriptors(ctx context.Context, t *trial) error { return nil }
func churn(ctx context.Context, t *trial) error          { return nil }
func nightPeak(ctx context.Context, t *trial) error      { return nil }
