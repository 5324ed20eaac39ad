/* mail_jobs.c: the jobs that send notices by e-mail. They run in a process of their own, which alone has the
 * password of the mail server, so that nothing else waits when that server is slow. */
#include "billingd/jobs.h"
#include "notices/make.h"
#include "notices/send.h"

static const struct job items[] = {
        {"make_notices", 0, notice_make_run, METRIC_COUNT, 1},
        {"make_digests", 60, notice_digest_run, METRIC_COUNT, 1},
        {"send_notices", 0, notice_send_run, METRIC_COUNT, 1},
        {"prune_notices", 300, notice_prune_run, METRIC_COUNT, 1},
};

static void
take_count(struct metrics *metrics, enum metric metric, int64_t *count)
{
	metrics_add(metrics, metric, *count);
	*count = 0;
}

static enum fail
measure(struct operation *operation, struct metrics *metrics)
{
	struct notice_sender *sender = operation->mailer;
	struct notice_figures figures;
	struct instant since;

	take_count(metrics, METRIC_NOTICES_SENT, &sender->sent);
	take_count(metrics, METRIC_NOTICES_REFUSED, &sender->refused);
	take_count(metrics, METRIC_NOTICES_FAILED, &sender->failed);
	take_count(metrics, METRIC_NOTICES_REPEATED, &sender->repeated);
	metrics_set(metrics, METRIC_MAIL_SERVER_AWAY, sender->away ? 1 : 0);
	TRY(notice_figures(operation, &figures));
	since = figures.waiting_since;
	metrics_set(metrics, METRIC_NOTICES_PENDING, figures.pending);
	jobs_set_age(operation, metrics, METRIC_NOTICES_WAITING, since);
	return FAIL_NONE;
}

const struct job_list mail_jobs = {
        items,           sizeof(items) / sizeof(*items),
        "system:mail",   METRIC_MAIL_JOBS_LAST_RUN,
        .round_ms = 500, .measure = measure,
};
