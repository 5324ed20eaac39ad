/* contract_events.c: the events of contracts. */
#include "contracts/contract_events.h"

#include "base/arena.h"
#include "events/reminders.h"

static const int64_t days_before[] = {30, 7};

static const struct reminder_days stages = {days_before,
                                            sizeof(days_before) / sizeof(*days_before)};

/* Without the versions, of which there may be more than an event holds. */
static const char *
data_of(struct operation *operation, const struct contract *contract)
{
	struct json_out json = json_out_new(operation->task->arena, 1024);
	struct contract shown = *contract;

	shown.terms.note = NULL;
	shown.end_reason = NULL;
	json_out_open(&json, NULL, '{');
	contract_write(&json, &shown, operation->now_ms);
	json_out_close(&json, '}');
	return json.text.data;
}

enum fail
contract_event(struct operation *operation, enum event_type type,
               const struct contract *contract)
{
	return event_write(operation, type, contract->customer_id,
	                   data_of(operation, contract));
}

enum fail
contract_event_ended(struct operation *operation, const struct contract *contract)
{
	const char *key = arena_printf(operation->task->arena, "contract.ended %s",
	                               contract->contract_id);

	return event_write_once(operation, EVENT_CONTRACT_ENDED, contract->customer_id, key,
	                        data_of(operation, contract), NULL);
}

/* Tells of the end, unless the contract had ended before such events were written. */
static enum fail
tell_end(struct operation *operation, const struct reminder *reminder,
         const struct contract *contract)
{
	struct instant ended_at = contract->subscription.ended_at;

	if (!ended_at.known)
		ended_at = contract->terms.ends_at;
	return ended_at.ms <= reminder->start.ms ? FAIL_NONE
	                                         : contract_event_ended(operation, contract);
}

static struct reminder_end
end_of(const struct contract *contract)
{
	struct instant created = contract->created_at, starts = contract->terms.starts_at;

	return (struct reminder_end){created.ms > starts.ms ? created : starts,
	                             contract->terms.ends_at};
}

/* A customer that was deleted has no contract any more. */
static enum fail
look(struct operation *operation, const struct reminder *reminder, struct instant *next)
{
	struct contract contract;
	int64_t days;
	enum fail kind =
	        contract_find(operation, reminder->customer_id, reminder->subject, &contract);

	if (kind == FAIL_NOT_FOUND)
		task_clear(operation->task);
	if (kind != FAIL_NONE)
		return kind == FAIL_NOT_FOUND ? FAIL_NONE : kind;
	if (contract_is_over(&contract, operation->now_ms))
		return tell_end(operation, reminder, &contract);
	TRY(reminder_take(operation, reminder, &stages, end_of(&contract), &days, next));
	if (!next->known)
		*next = contract.terms.ends_at;
	if (days == REMINDER_NONE)
		return FAIL_NONE;
	return event_write(operation, EVENT_CONTRACT_ENDING, reminder->customer_id,
	                   reminder_data(operation, data_of(operation, &contract),
	                                 contract.terms.ends_at));
}

enum fail
contract_reminders_run(struct operation *operation, int64_t *done)
{
	return reminders_run(operation, "contract", look, done);
}
