"""Ends what a part of a proof has left running."""
import asyncio


async def end_tasks():
    """Cancels the tasks that a failed row has left running."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
